#include "io/jwks_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>
#include <vector>

#include "protocol/jwt/testing.hpp"
#include "serving/clocks.hpp"

namespace famemely::io {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(JwksLocation, IsAServerOrAFile) {
  EXPECT_EQ(JwksLocation::parse("https://h/k")->shown(), "https://h/k");
  EXPECT_EQ(JwksLocation::parse("http://127.0.0.1:1/k")->shown(), "http://127.0.0.1:1/k");
  for (const char* text : {"file:/a%20b", "file:///a%20b", "file://localhost/a%20b", "FILE:/a%20b"})
    EXPECT_EQ(JwksLocation::parse(text)->file, "/a b") << text;
  EXPECT_EQ(JwksLocation::parse("file:jwks.json")->file, "jwks.json");
}

TEST(JwksLocation, RefusesPlainTextThatLeavesTheMachine) {
  for (const char* text : {"http://h/k", "http://10.0.0.1/k", "http://localhost.example/k"})
    EXPECT_THAT(JwksLocation::parse(text).error(), HasSubstr("http:// is allowed to this machine only")) << text;
}

TEST(JwksLocation, RefusesWhatIsNone) {
  for (const char* text : {"", "jwks.json", "ftp://h/k", "file:", "file://other/k", "file:%zz"})
    EXPECT_FALSE(JwksLocation::parse(text)) << text;
}

class CollectingLogger final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel level) const override { return level >= LogLevel::info; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>&) override { events.emplace_back(event); }

  std::vector<std::string> events;
};

class JwksSourceTest : public ::testing::Test {
 protected:
  JwksSourceTest() {
    std::string name = (fs::temp_directory_path() / "famemely-jwks-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    file_ = (directory_ / "jwks.json").string();
  }
  ~JwksSourceTest() override { fs::remove_all(directory_); }

  void save(const std::string& keys) const { std::ofstream(file_) << jwt::jwks_of(keys); }
  void start(std::chrono::milliseconds max_stale = 1h) {
    source_.emplace(loop_, JwksLocation::parse("file:" + file_).value(), max_stale, TlsContext::make({}).value(),
                    authenticator_, log_);
    source_->start();
  }
  [[nodiscard]] bool accepted(std::string_view kid) const {
    const auto token = key_.token(key_.header(kid), R"({"sub":"alice","aud":"authenticated","exp":4000000000})");
    return authenticator_.authenticate(token, false, serving::read_clocks().wall).has_value();
  }
  void run(std::chrono::milliseconds time) {
    loop_.restart();
    loop_.run_for(time);
  }

  jwt::TestKey key_{jwt::Algorithm::eddsa};
  boost::asio::io_context loop_{1};
  fs::path directory_;
  std::string file_;
  CollectingLogger log_;
  gateway::Authenticator authenticator_{jwt::Verifier(jwt::VerifierOptions{}), gateway::RoleClaims::defaults()};
  std::optional<JwksSource> source_;
};

TEST_F(JwksSourceTest, HasTheFirstSetWhenItHasStarted) {
  save(key_.jwk("one"));
  start();
  EXPECT_TRUE(accepted("one"));
  EXPECT_THAT(log_.events, Contains("jwks fetched"));
}

TEST_F(JwksSourceTest, StartsWithoutASetAndSaysSo) {
  start();
  EXPECT_FALSE(accepted("one"));
  EXPECT_THAT(log_.events, Contains("jwks not fetched"));
  save(key_.jwk("one"));
  run(1500ms);
  EXPECT_TRUE(accepted("one")) << "it has tried again";
}

TEST_F(JwksSourceTest, TakesANewSetOnDemand) {
  save(key_.jwk("one"));
  start();
  save(key_.jwk("two"));
  source_->reload();
  run(50ms);
  EXPECT_FALSE(accepted("one"));
  EXPECT_TRUE(accepted("two"));
}

TEST_F(JwksSourceTest, KeepsTheLastSetWhereTheNextIsNone) {
  save(key_.jwk("one"));
  start();
  for (const char* bad : {"", "nonsense", R"({"keys":1})"}) {
    std::ofstream(file_) << bad;
    source_->reload();
    run(50ms);
    EXPECT_TRUE(accepted("one")) << bad;
  }
  EXPECT_EQ(authenticator_.key_figures().jwks->failures, 3U);
  EXPECT_EQ(authenticator_.key_figures().jwks->fetches, 1U);
}

}  // namespace
}  // namespace famemely::io
