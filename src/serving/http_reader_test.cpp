#include "serving/http_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace famemely::serving {
namespace {

const std::string kPost =
    "POST /mqtt/publish?x=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
    "11\r\n\r\n{\"topic\":1}";
const std::string kChunked =
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";

std::vector<HttpRequest> read_all(const std::vector<std::string>& pieces, HttpReader& reader) {
  std::vector<HttpRequest> requests;
  for (const std::string& piece : pieces) {
    reader.append(piece);
    for (;;) {
      const auto step = reader.next();
      if (std::holds_alternative<HttpReader::NeedMore>(step)) break;
      if (const auto* fault = std::get_if<HttpReader::Fault>(&step)) {
        ADD_FAILURE() << fault->status << " " << fault->what;
        return requests;
      }
      if (std::holds_alternative<HttpReader::Complete>(step)) requests.push_back(reader.take_request());
    }
  }
  return requests;
}

int fault_status(const std::string& bytes, const HttpLimits& limits = {}) {
  HttpReader reader(limits);
  reader.append(bytes);
  for (;;) {
    const auto step = reader.next();
    if (const auto* fault = std::get_if<HttpReader::Fault>(&step)) return fault->status;
    if (std::holds_alternative<HttpReader::NeedMore>(step) || std::holds_alternative<HttpReader::Complete>(step))
      return 0;
  }
}

TEST(HttpReader, ReadsARequestCutAnywhere) {
  for (const std::string& text : {kPost, kChunked})
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      HttpReader reader({});
      const auto requests = read_all({text.substr(0, cut), text.substr(cut)}, reader);
      ASSERT_EQ(requests.size(), 1U) << cut;
      EXPECT_EQ(requests[0].body, text == kPost ? "{\"topic\":1}" : "abcdefg");
      EXPECT_FALSE(reader.inside_request());
    }
}

TEST(HttpReader, ReadsPipelinedRequestsOneByOne) {
  HttpReader reader({});
  const auto requests = read_all({kPost + "GET /b HTTP/1.1\r\nHost: a\r\n\r\n" + kChunked}, reader);
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].path(), "/mqtt/publish");
  EXPECT_EQ(requests[1].target, "/b");
  EXPECT_EQ(requests[2].body, "abcdefg");
}

TEST(HttpReader, HandsOverTheRawBytesAfterTheHead) {
  HttpReader reader({});
  reader.append(kPost.substr(0, kPost.size() - 4));
  ASSERT_TRUE(std::holds_alternative<HttpReader::Head>(reader.next()));
  EXPECT_EQ(reader.head().path(), "/mqtt/publish");
  EXPECT_EQ(reader.take_raw(), kPost.substr(0, kPost.size() - 4));
}

TEST(HttpReader, LeavesWhatFollowsAnUpgrade) {
  HttpReader reader({});
  reader.append("GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrest");
  ASSERT_TRUE(std::holds_alternative<HttpReader::Head>(reader.next()));
  EXPECT_TRUE(reader.upgrades_to_websocket());
  ASSERT_TRUE(std::holds_alternative<HttpReader::Complete>(reader.next()));
  (void)reader.take_request();
  EXPECT_EQ(reader.take_raw(), "rest");
}

TEST(HttpReader, RefusesWhatIsTooLarge) {
  const HttpLimits limits{.head_bytes_max = 200, .fields_max = 3, .body_bytes_max = 10};
  EXPECT_EQ(fault_status(kPost, limits), 413);
  EXPECT_EQ(
      fault_status("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
                   limits),
      413);
  EXPECT_EQ(fault_status("GET / HTTP/1.1\r\nA: " + std::string(300, 'x'), limits), 431);
  EXPECT_EQ(fault_status("GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n", limits), 431);
}

TEST(HttpReader, TellsOfTheHeadBeforeItRefusesTheBody) {
  HttpReader reader({.body_bytes_max = 10});
  reader.append("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  ASSERT_TRUE(std::holds_alternative<HttpReader::Head>(reader.next()));
  EXPECT_EQ(reader.head().path(), "/a");
  EXPECT_FALSE(reader.expects_continue());
  const auto step = reader.next();
  const auto* fault = std::get_if<HttpReader::Fault>(&step);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->status, 413);
}

TEST(HttpReader, RefusesGarbage) {
  EXPECT_EQ(fault_status("\x16\x03\x01 not http\r\n\r\n"), 400);
  EXPECT_EQ(fault_status("GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(fault_status("POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n"), 400);
}

TEST(Serialize, WritesLengthAndConnection) {
  HttpResponse response{.status = 200, .fields = {}, .body = "ok"};
  response.fields.add("Content-Type", "text/html");
  EXPECT_EQ(serialize(response, false, true),
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
  EXPECT_EQ(serialize(response, true, false),
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
}

TEST(HttpSerialize, GivesNoLengthToAnswersThatHaveNoBody) {
  EXPECT_EQ(serialize({.status = 304, .fields = {}, .body = {}}, false, true),
            "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(serialize({.status = 204, .fields = {}, .body = {}}, false, true),
            "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

TEST(HttpReader, RefusesCodingsThatLeaveTheEndOpen) {
  for (const char* coding : {"identity", "chunked, identity", "gzip, chunked", "xchunked", ""}) {
    HttpReader reader(HttpLimits{});
    reader.append(std::string("POST / HTTP/1.1\r\nTransfer-Encoding: ") + coding + "\r\n\r\n0\r\n\r\n");
    const HttpReader::Step step = reader.next();
    ASSERT_TRUE(std::holds_alternative<HttpReader::Fault>(step)) << coding;
    EXPECT_EQ(std::get<HttpReader::Fault>(step).status, 400) << coding;
  }
}

TEST(HttpReader, ChunksMayBeCutAnywhere) {
  const std::string text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
  for (std::size_t first = 1; first < text.size(); ++first)
    for (std::size_t second = first; second < text.size(); ++second) {
      HttpReader reader(HttpLimits{});
      std::size_t at = 0;
      bool complete = false;
      for (const std::size_t end : {first, second, text.size()}) {
        reader.append(std::string_view(text).substr(at, end - at));
        at = end;
        for (HttpReader::Step step = reader.next(); !std::holds_alternative<HttpReader::NeedMore>(step);
             step = reader.next()) {
          ASSERT_FALSE(std::holds_alternative<HttpReader::Fault>(step)) << first << " " << second;
          if (!std::holds_alternative<HttpReader::Complete>(step)) continue;
          EXPECT_EQ(reader.take_request().body, "abcd");
          complete = true;
        }
      }
      EXPECT_TRUE(complete) << first << " " << second;
    }
}

TEST(HttpReader, AHeadIsAsLongAsItMayBeHoweverItComes) {
  HttpReader reader({.head_bytes_max = 100});
  reader.append("GET /" + std::string(60, 'x') + " HTTP/1.1\r\nHost: " + std::string(60, 'y') + "\r\n\r\n");
  const HttpReader::Step step = reader.next();
  ASSERT_TRUE(std::holds_alternative<HttpReader::Fault>(step));
  EXPECT_EQ(std::get<HttpReader::Fault>(step).status, 431);
}

const std::string kBeforeTrailer = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";

TEST(HttpReader, RefusesFieldsThatBeastCanNotKeep) {
  const std::string large(70'000, 'y');
  for (const std::string& field : {"X: " + large, large + ": x"}) {
    EXPECT_EQ(fault_status(kBeforeTrailer + field + "\r\n\r\n"), 431);
    EXPECT_EQ(fault_status("GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n", {.head_bytes_max = 200'000}), 431);
  }
  EXPECT_EQ(fault_status(kBeforeTrailer + "X: y\r\n\r\n"), 0);
}

/// The most that is held while the bytes go on for ever; nothing if the reader never has enough of them.
std::optional<std::size_t> held_of(const std::string& begin, const std::string& more) {
  HttpReader reader({});
  std::size_t held = 0;
  reader.append(begin);
  for (int i = 0; i < 1'000; ++i) {
    for (auto step = reader.next(); !std::holds_alternative<HttpReader::NeedMore>(step); step = reader.next())
      if (std::holds_alternative<HttpReader::Fault>(step)) return held;
    held = std::max(held, reader.buffered());
    reader.append(more);
  }
  return std::nullopt;
}

TEST(HttpReader, HoldsLittleOfWhatHasNoEnd) {
  const std::string line(1'000, 'y');
  const std::string chunked = kBeforeTrailer.substr(0, kBeforeTrailer.find("3\r\nabc"));
  EXPECT_LE(held_of(kBeforeTrailer, "X: " + line + "\r\n").value(), 16'384U) << "trailers";
  EXPECT_LE(held_of(kBeforeTrailer + "X: ", line).value(), 16'384U) << "one trailer";
  EXPECT_LE(held_of(chunked + "3;", line).value(), 16'384U) << "an extension";
  EXPECT_LE(held_of(chunked, std::string(1'000, '0')).value(), 16'384U) << "a chunk's size";
  EXPECT_LE(held_of("GET / HTTP/1.1\r\n", "X: " + line + "\r\n").value(), 16'384U) << "a head";
}

}  // namespace
}  // namespace famemely::serving
