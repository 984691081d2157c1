#include "protocol/websocket/deflate_offer.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace famemely::websocket {
namespace {

/// The answer to these header fields; `none`, or `fault`.
std::string answer_to_fields(const std::vector<std::string>& values) {
  HttpFields fields;
  for (const std::string& value : values) fields.add("sec-websocket-extensions", value);
  const auto chosen = choose_deflate(fields);
  if (!chosen) return "fault";
  return *chosen ? deflate_answer(**chosen) : "none";
}
std::string answer_to(const std::string& value) { return answer_to_fields({value}); }

constexpr const char* kPlainAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

TEST(DeflateOffer, IsAnsweredWithoutContextOnEitherSide) {
  for (const char* offer :
       {"permessage-deflate", "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=10", "permessage-deflate ;\tserver_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=\"15\"", " ,, permessage-deflate ,", "x-other, permessage-deflate",
        "x-other; a=1; b=\"c\\d\", permessage-deflate"})
    EXPECT_EQ(answer_to(offer), kPlainAnswer) << offer;
}

TEST(DeflateOffer, HonoursTheWindowOfTheServer) {
  for (const char* bits : {"9", "10", "12", "15"})
    EXPECT_EQ(answer_to(std::string("permessage-deflate; server_max_window_bits=") + bits),
              std::string(kPlainAnswer) + "; server_max_window_bits=" + bits);
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=\"1\\1\""),
            std::string(kPlainAnswer) + "; server_max_window_bits=11");
}

TEST(DeflateOffer, IsDeclinedForWhatCantBeMeant) {
  for (const char* offer :
       {"", "x-other", "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=09", "permessage-deflate; server_max_window_bits=1x",
        "permessage-deflate; client_max_window_bits=16", "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; unknown", "permessage-deflate; unknown=1", "Permessage-Deflate",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9", "permessage-deflate2"})
    EXPECT_EQ(answer_to(offer), "none") << offer;
}

TEST(DeflateOffer, TakesTheFirstThatCanBeTaken) {
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9, "
                      "permessage-deflate"),
            std::string(kPlainAnswer) + "; server_max_window_bits=9");
  EXPECT_EQ(answer_to_fields({"x-other", "permessage-deflate; unknown", "permessage-deflate"}), kPlainAnswer);
}

TEST(DeflateOffer, FailsTheHandshakeWhereTheGrammarIsBroken) {
  for (const char* broken :
       {"permessage-deflate;", "permessage-deflate; =1", "permessage-deflate; a=", "permessage-deflate; a=\"b",
        "permessage-deflate; a=\"\"", "permessage-deflate; a=\"b c\"", "permessage-deflate; a=\"b\\", "a b", "a;b c",
        "permessage-deflate, ;", "a/b", "permessage-deflate; a=b=c", "\xC3\xA4"})
    EXPECT_EQ(answer_to(broken), "fault") << broken;
  EXPECT_EQ(answer_to_fields({"permessage-deflate", "a b"}), "fault");
}

TEST(DeflateOffer, IsNotThereWithoutTheField) { EXPECT_EQ(answer_to_fields({}), "none"); }

}  // namespace
}  // namespace famemely::websocket
