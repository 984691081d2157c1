#include "io/http_url.hpp"

#include <gtest/gtest.h>

namespace famemely::io {
namespace {

TEST(HttpUrl, HasItsParts) {
  EXPECT_EQ(HttpUrl::parse("https://p.supabase.co/auth/v1/.well-known/jwks.json?a=b"),
            (HttpUrl{true, "p.supabase.co", 443, "/auth/v1/.well-known/jwks.json?a=b"}));
  EXPECT_EQ(HttpUrl::parse("http://127.0.0.1:54321"), (HttpUrl{false, "127.0.0.1", 54321, "/"}));
  EXPECT_EQ(HttpUrl::parse("HTTPS://[::1]:8443/x"), (HttpUrl{true, "::1", 8443, "/x"}));
  EXPECT_EQ(HttpUrl::parse("http://host?q"), (HttpUrl{false, "host", 80, "/?q"}));
}

TEST(HttpUrl, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "host",
                           "ftp://host",
                           "http://",
                           "http:///path",
                           "http://:80",
                           "http://host:0",
                           "http://host:65536",
                           "http://host:8x",
                           "http://host:",
                           "http://user@host",
                           "http://user:pass@host",
                           "http://host/a b",
                           "http://h/#a",
                           "http://[::1",
                           "http://[::g]",
                           "http://[::1]x",
                           "http://ho st",
                           "http://host\r\nX: y",
                           "http://h\xc3\xa4",
                           "http://host/\r\nX: y"})
    EXPECT_FALSE(HttpUrl::parse(text)) << text;
}

TEST(HttpUrl, KnowsThisMachine) {
  for (const char* text :
       {"http://localhost", "http://LOCALHOST:1", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]"})
    EXPECT_TRUE(HttpUrl::parse(text)->is_loopback()) << text;
  for (const char* text :
       {"http://localhost.example", "http://10.0.0.1", "http://127.0.0.1.example", "http://[::2]", "http://0.0.0.0"})
    EXPECT_FALSE(HttpUrl::parse(text)->is_loopback()) << text;
}

TEST(HttpUrl, IsShownWithoutItsQuery) {
  EXPECT_EQ(HttpUrl::parse("https://h:443/a?apikey=secret")->shown(), "https://h/a");
  EXPECT_EQ(HttpUrl::parse("https://[::1]:444/a")->shown(), "https://[::1]:444/a");
}

}  // namespace
}  // namespace famemely::io
