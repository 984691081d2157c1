#include "protocol/websocket/client_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "protocol/websocket/encoder.hpp"

namespace famemely::websocket {
namespace {

using testing::ElementsAre;

class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& byte : bytes) byte = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

void append_frame(std::string& out, std::uint8_t first, std::string_view payload) {
  out.push_back(static_cast<char>(first));
  out.push_back(static_cast<char>(payload.size()));
  out.append(payload);
}

/// What the stream has told when fed pieces of this size, and what it answered.
struct Told {
  std::string data;
  std::string answers;
  std::optional<std::string> ended;
};
Told tell(const std::string& bytes, std::size_t piece, bool answer_each_time = true) {
  CountingRandom random;
  ClientStream stream(random);
  Told told;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::vector<char> fed(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                          bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at + piece)));
    stream.feed(fed);
    while (const auto data = stream.next()) told.data.append(*data);
    if (answer_each_time) stream.take_answers(told.answers);
  }
  stream.take_answers(told.answers);
  told.ended = stream.ended();
  return told;
}

std::vector<std::string> server_events(std::string bytes) {
  std::vector<std::string> events;
  Decoder decoder(Role::server, 1'000'000);
  decoder.feed(bytes);
  while (const auto event = decoder.next()) {
    if (const auto* message = std::get_if<Message>(&*event)) events.push_back("data " + std::string(message->data));
    if (const auto* pong = std::get_if<Pong>(&*event)) events.push_back("pong " + std::string(pong->data));
    if (const auto* close = std::get_if<Close>(&*event)) events.push_back("close " + std::to_string(close->code));
    if (std::holds_alternative<Fault>(*event)) events.emplace_back("fault");
  }
  return events;
}

TEST(WebSocketClientStream, JoinsWhateverTheFramesAre) {
  std::string bytes;
  append_message(bytes, Opcode::binary, "one ");
  append_frame(bytes, 0x02, "tw");
  append_ping(bytes, "?");
  append_frame(bytes, 0x00, "");
  append_frame(bytes, 0x00, "o ");
  append_frame(bytes, 0x80, "and ");
  append_message(bytes, Opcode::binary, "");
  append_message(bytes, Opcode::binary, std::string(300, 'x'));
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Told told = tell(bytes, piece);
    EXPECT_EQ(told.data, "one two and " + std::string(300, 'x')) << piece;
    EXPECT_THAT(server_events(told.answers), ElementsAre("pong ?")) << piece;
    EXPECT_EQ(told.ended, std::nullopt);
  }
}

TEST(WebSocketClientStream, HoldsNothingOfALongMessage) {
  std::string head("\x82\x7F\x00\x00\x00\x7F\x00\x00\x00\x00", 10);
  Decoder decoder(Role::client, Decoder::AsStream{});
  decoder.feed(head);
  EXPECT_FALSE(decoder.next());
  for (int i = 0; i < 3; ++i) {
    std::string piece(100'000, 'x');
    decoder.feed(piece);
    ASSERT_TRUE(decoder.next());
    EXPECT_EQ(decoder.buffered_bytes(), 0U);
  }
}

TEST(WebSocketClientStream, AnswersTheLastPingOnly) {
  std::string bytes;
  append_ping(bytes, "a");
  append_ping(bytes, "b");
  EXPECT_THAT(server_events(tell(bytes, bytes.size(), false).answers), ElementsAre("pong b"));
}

TEST(WebSocketClientStream, SaysWhyThePeerCloses) {
  const auto ending = [](std::uint16_t code, const char* reason) {
    std::string bytes;
    append_close(bytes, code, reason);
    for (std::size_t piece = 1; piece < bytes.size(); ++piece)
      EXPECT_EQ(tell(bytes, piece).ended, tell(bytes, 99).ended);
    return tell(bytes, 99);
  };
  EXPECT_EQ(ending(1008, "go away").ended, "the broker closed the WebSocket with 1008 policy violation: go away");
  EXPECT_EQ(ending(4000, "").ended, "the broker closed the WebSocket with 4000");
  EXPECT_EQ(ending(kCloseNoStatus, "").ended, "the broker closed the WebSocket");
  EXPECT_THAT(server_events(ending(1008, "").answers), ElementsAre("close 1008"));
}

TEST(WebSocketClientStream, RefusesTextAndWhatBreaksTheProtocol) {
  const auto refusal = [](const std::string& bytes) {
    for (std::size_t piece = 1; piece < bytes.size(); ++piece)
      EXPECT_EQ(tell(bytes, piece).ended, tell(bytes, 99).ended);
    const Told told = tell(bytes, 99);
    EXPECT_EQ(told.data, "");
    return told.ended.value_or("no end") + ", " + server_events(told.answers).at(0);
  };
  const std::string prefix = "the broker broke the WebSocket protocol: ";
  EXPECT_EQ(refusal("\x81\x02hi"), prefix + "a text message, close 1003");
  EXPECT_EQ(refusal("\x82\x81\x01\x02\x03\x04h"), prefix + "a masked frame from a server, close 1002");
  EXPECT_EQ(refusal("\x80\x01h"), prefix + "a continuation without a beginning, close 1002");
  EXPECT_EQ(refusal(std::string("\x02\x00\x82\x00", 4)), prefix + "a new message inside a fragmented one, close 1002");
  EXPECT_EQ(refusal("\xC2\x01h"), prefix + "a reserved bit is set, close 1002");
  EXPECT_EQ(refusal("\x83\x01h"), prefix + "an unknown opcode, close 1002");
  EXPECT_EQ(refusal("\x82\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), prefix + "a length of 64 bits, close 1002");
}

TEST(WebSocketClientStream, SendsMaskedFramesOfABoundedLength) {
  CountingRandom random;
  ClientStream stream(random);
  std::string out;
  const std::string data(ClientStream::kFrameBytesMax + 3, 'x');
  stream.send(data, out);
  EXPECT_EQ(out.size(), data.size() + 14 + 6);
  EXPECT_EQ(out.substr(10, 4), std::string("\0\1\2\3", 4));
  EXPECT_EQ(out.substr(out.size() - 7, 4), "\4\5\6\7");
  EXPECT_THAT(server_events(out), ElementsAre("data " + std::string(ClientStream::kFrameBytesMax, 'x'), "data xxx"));
}

TEST(WebSocketClientStream, SendsNothingAfterItsClose) {
  CountingRandom random;
  ClientStream stream(random);
  std::string out;
  stream.close(out);
  stream.close(out);
  stream.send("x", out);
  EXPECT_THAT(server_events(out), ElementsAre("close 1000"));
}

}  // namespace
}  // namespace famemely::websocket
