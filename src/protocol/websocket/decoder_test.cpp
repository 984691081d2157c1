#include "protocol/websocket/decoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/websocket/encoder.hpp"

namespace famemely::websocket {
namespace {

using testing::ElementsAre;

constexpr MaskingKey kKey{0x37, 0xFA, 0x21, 0x3D};

/// Each event as a line, so that a whole run can be compared.
std::string describe(const Event& event) {
  struct Describe {
    std::string operator()(const Message& m) const {
      return (m.opcode == Opcode::text ? "text:" : "binary:") + std::string(m.data);
    }
    std::string operator()(const Ping& p) const { return "ping:" + std::string(p.data); }
    std::string operator()(const Pong& p) const { return "pong:" + std::string(p.data); }
    std::string operator()(const Close& c) const {
      return "close:" + std::to_string(c.code) + ":" + std::string(c.reason);
    }
    std::string operator()(const Fault& f) const { return "fault:" + std::to_string(f.close_code); }
  };
  return std::visit(Describe{}, event);
}

std::vector<std::string> decode_in_pieces(std::string bytes, std::size_t first_piece, std::size_t piece,
                                          std::uint32_t max = 1000, Role role = Role::server,
                                          Inflater* inflater = nullptr) {
  Decoder decoder(role, max);
  std::vector<std::string> events;
  std::size_t at = 0;
  std::size_t size = first_piece;
  while (at < bytes.size()) {
    // A copy of exactly this size, so that the address sanitizer sees a read past it.
    std::vector<char> fed(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                          bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at + size)));
    decoder.feed(fed);
    while (auto event = decoder.next(inflater)) events.push_back(describe(*event));
    at += size;
    size = piece;
  }
  return events;
}

std::vector<std::string> decode(const std::string& bytes, std::uint32_t max = 1000, Role role = Role::server) {
  return decode_in_pieces(bytes, bytes.size(), bytes.size(), max, role);
}

/// With permessage-deflate agreed on.
std::vector<std::string> decode_deflated(const std::string& bytes, std::uint32_t max = 1000) {
  Inflater inflater;
  return decode_in_pieces(bytes, bytes.size(), bytes.size(), max, Role::server, &inflater);
}

std::string deflated(std::string_view text) {
  std::string out;
  Deflater(Deflater::Format::raw).append_flushed(out, text);
  return out;
}

std::string frame(std::uint8_t first_byte, std::string_view payload) {
  std::string out;
  append_message(out, Opcode::text, payload, kKey);
  out[0] = static_cast<char>(first_byte);
  return out;
}

std::string masked_message(Opcode opcode, std::string_view payload) {
  std::string out;
  append_message(out, opcode, payload, kKey);
  return out;
}

TEST(WebSocketDecoder, ReadsTheMaskedExampleOfTheRfc) {
  EXPECT_THAT(decode("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), ElementsAre("text:Hello"));
}

TEST(WebSocketDecoder, HandsOutAViewOfTheFedBytes) {
  std::string bytes = masked_message(Opcode::binary, "data");
  Decoder decoder(Role::server, 1000);
  decoder.feed(bytes);
  const auto event = decoder.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<Message>(*event).data.data(), bytes.data() + 6);
  EXPECT_FALSE(decoder.inside_message());
}

TEST(WebSocketDecoder, SplitAtEveryByteFindsTheSame) {
  std::string bytes = frame(0x01, "fra\xC3") + frame(0x89, "ping!") + frame(0x00, "") + frame(0x80, "\xA9ment");
  bytes += masked_message(Opcode::binary, std::string(300, 'x')) + masked_message(Opcode::text, "");
  bytes += frame(0x8A, "") + masked_message(Opcode::binary, std::string(126, 'y'));
  append_close(bytes, 1001, "bye", kKey);
  const std::vector<std::string> whole = decode(bytes);
  EXPECT_THAT(whole, ElementsAre("ping:ping!", "text:fra\xC3\xA9ment", "binary:" + std::string(300, 'x'),
                                 "text:", "pong:", "binary:" + std::string(126, 'y'), "close:1001:bye"));
  for (std::size_t split = 1; split < bytes.size(); ++split)
    EXPECT_EQ(decode_in_pieces(bytes, split, bytes.size()), whole) << "split at " << split;
  for (std::size_t piece = 1; piece < 20; ++piece) EXPECT_EQ(decode_in_pieces(bytes, piece, piece), whole);
}

TEST(WebSocketDecoder, HoldsNothingWhileIdle) {
  std::string bytes = masked_message(Opcode::text, "hello");
  Decoder decoder(Role::server, 1000);
  for (char& byte : bytes) {
    decoder.feed({&byte, 1});
    while (decoder.next()) {
    }
  }
  EXPECT_FALSE(decoder.inside_message());
  EXPECT_EQ(decoder.buffered_bytes(), 0U);
  EXPECT_LE(sizeof(Decoder), 40U);
}

TEST(WebSocketDecoder, ReadsA64BitLength) {
  const std::string payload(70'000, 'z');
  EXPECT_THAT(decode(masked_message(Opcode::binary, payload), 70'000), ElementsAre("binary:" + payload));
}

TEST(WebSocketDecoder, AcceptsExactlyTheLimitAndRefusesMore) {
  EXPECT_THAT(decode(masked_message(Opcode::binary, std::string(20, 'a')), 20),
              ElementsAre("binary:" + std::string(20, 'a')));
  EXPECT_THAT(decode(masked_message(Opcode::binary, std::string(21, 'a')), 20), ElementsAre("fault:1009"));
}

TEST(WebSocketDecoder, RefusesFragmentsThatTogetherExceedTheLimit) {
  EXPECT_THAT(decode(frame(0x02, std::string(11, 'a')) + frame(0x80, std::string(10, 'a')), 20),
              ElementsAre("fault:1009"));
}

TEST(WebSocketDecoder, RefusesATooBigMessageFromItsHeadAlone) {
  EXPECT_THAT(decode(std::string("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x02\x03\x04", 14)),
              ElementsAre("fault:1009"));
}

TEST(WebSocketDecoder, RefusesUnmaskedFramesFromAClient) {
  EXPECT_THAT(decode(std::string("\x81\x01x", 3)), ElementsAre("fault:1002"));
}

TEST(WebSocketDecoder, AsAClientRefusesMaskedFrames) {
  EXPECT_THAT(decode(masked_message(Opcode::text, "x"), 1000, Role::client), ElementsAre("fault:1002"));
  EXPECT_THAT(decode(std::string("\x81\x01x", 3), 1000, Role::client), ElementsAre("text:x"));
}

TEST(WebSocketDecoder, RefusesReservedBitsAndOpcodes) {
  for (int first : {0xC1, 0xA1, 0x91, 0x83, 0x87, 0x8B, 0x8F})
    EXPECT_THAT(decode(frame(static_cast<std::uint8_t>(first), "x")), ElementsAre("fault:1002")) << first;
}

TEST(WebSocketDecoder, RefusesLengthsThatAreNotMinimal) {
  EXPECT_THAT(decode(std::string("\x81\xFE\x00\x01\x01\x02\x03\x04x", 9)), ElementsAre("fault:1002"));
  EXPECT_THAT(decode(std::string("\x81\xFF\x00\x00\x00\x00\x00\x00\x01\x00\x01\x02\x03\x04", 14)),
              ElementsAre("fault:1002"));
}

TEST(WebSocketDecoder, RefusesFragmentedAndLongControlFrames) {
  EXPECT_THAT(decode(frame(0x09, "x")), ElementsAre("fault:1002"));
  EXPECT_THAT(decode(frame(0x89, std::string(126, 'x'))), ElementsAre("fault:1002"));
}

TEST(WebSocketDecoder, RefusesAContinuationWithoutABeginningAndABeginningInsideAMessage) {
  EXPECT_THAT(decode(frame(0x80, "x")), ElementsAre("fault:1002"));
  EXPECT_THAT(decode(frame(0x01, "x") + frame(0x81, "y")), ElementsAre("fault:1002"));
}

TEST(WebSocketDecoder, RefusesTextThatIsNotUtf8AsSoonAsItIsSeen) {
  EXPECT_THAT(decode(frame(0x81, "a\xFF")), ElementsAre("fault:1007"));
  EXPECT_THAT(decode(frame(0x01, "a\xC3") + frame(0x80, "b")), ElementsAre("fault:1007"));
  EXPECT_THAT(decode(frame(0x01, "a\xFF")), ElementsAre("fault:1007"));
  EXPECT_THAT(decode(frame(0x01, "a") + frame(0x80, "\xC3")), ElementsAre("fault:1007"));
  std::string first_bytes = frame(0x81, std::string("a\xFF") + std::string(50, 'b'));
  first_bytes.resize(10);
  EXPECT_THAT(decode(first_bytes), ElementsAre("fault:1007"));
}

TEST(WebSocketDecoder, LetsBinaryBeAnything) { EXPECT_THAT(decode(frame(0x82, "\xFF")), ElementsAre("binary:\xFF")); }

TEST(WebSocketDecoder, ReadsAnEmptyClose) { EXPECT_THAT(decode(frame(0x88, "")), ElementsAre("close:1005:")); }

TEST(WebSocketDecoder, ChecksTheCloseFrame) {
  EXPECT_THAT(decode(frame(0x88, "\x03")), ElementsAre("fault:1002"));
  EXPECT_THAT(decode(frame(0x88, "\x03\xED")), ElementsAre("fault:1002"));  // 1005
  EXPECT_THAT(decode(frame(0x88, "\x03\xE7")), ElementsAre("fault:1002"));  // 999
  EXPECT_THAT(decode(frame(0x88, "\x0B\xB8ok")), ElementsAre("close:3000:ok"));
  EXPECT_THAT(decode(frame(0x88, "\x03\xE8\xFF")), ElementsAre("fault:1007"));
}

TEST(WebSocketDecoder, SaysNothingAfterACloseOrAFault) {
  EXPECT_THAT(decode(frame(0x88, "") + frame(0x81, "late")), ElementsAre("close:1005:"));
  EXPECT_THAT(decode(frame(0x83, "") + frame(0x81, "late")), ElementsAre("fault:1002"));
}

// --- permessage-deflate ---

const std::string kHello("\xf2\x48\xcd\xc9\xc9\x07\x00", 7);  // RFC 7692 section 7.2.3.1

TEST(WebSocketDecoder, InflatesAMessage) {
  EXPECT_THAT(decode_deflated(frame(0xC1, kHello)), ElementsAre("text:Hello"));
  EXPECT_THAT(decode_deflated(frame(0xC2, deflated("\xFF\xFE"))), ElementsAre("binary:\xFF\xFE"));
}

TEST(WebSocketDecoder, InflatesTheFragmentedExampleOfTheRfc) {
  EXPECT_THAT(decode_deflated(frame(0x41, kHello.substr(0, 3)) + frame(0x80, kHello.substr(3))),
              ElementsAre("text:Hello"));
}

TEST(WebSocketDecoder, TakesMessagesThatAreNotCompressedBesideThoseThatAre) {
  EXPECT_THAT(decode_deflated(frame(0x81, "plain") + frame(0xC1, kHello) + frame(0x82, "bytes") + frame(0xC1, kHello)),
              ElementsAre("text:plain", "text:Hello", "binary:bytes", "text:Hello"));
}

TEST(WebSocketDecoder, InflatesEmptyMessages) {
  EXPECT_THAT(decode_deflated(frame(0xC1, std::string(1, '\0')) + frame(0xC2, "") + frame(0x41, "") + frame(0x80, "")),
              ElementsAre("text:", "binary:", "text:"));
}

TEST(WebSocketDecoder, SplitAtEveryByteInflatesTheSame) {
  const std::string long_text = deflated(std::string(5'000, 'a') + "\xC3\xA9");
  std::string bytes = frame(0x41, kHello.substr(0, 2)) + frame(0x89, "ping!") + frame(0x00, "");
  bytes += frame(0x80, kHello.substr(2)) + frame(0xC1, long_text) + frame(0x82, "plain") + frame(0x01, "a\xC3");
  bytes += frame(0x80, "\xA9") + frame(0xC2, deflated("\xFF")) + frame(0xC1, "");
  append_close(bytes, 1001, "bye", kKey);
  const std::vector<std::string> whole = decode_deflated(bytes, 10'000);
  EXPECT_THAT(whole, ElementsAre("ping:ping!", "text:Hello", "text:" + std::string(5'000, 'a') + "\xC3\xA9",
                                 "binary:plain", "text:a\xC3\xA9", "binary:\xFF", "text:", "close:1001:bye"));
  Inflater inflater;
  for (std::size_t split = 1; split < bytes.size(); ++split)
    EXPECT_EQ(decode_in_pieces(bytes, split, bytes.size(), 10'000, Role::server, &inflater), whole) << split;
  for (std::size_t piece = 1; piece < 20; ++piece)
    EXPECT_EQ(decode_in_pieces(bytes, piece, piece, 10'000, Role::server, &inflater), whole);
}

TEST(WebSocketDecoder, HoldsNoStateOfZlibForAMessageThatIsOnItsWay) {
  Inflater inflater;
  Decoder decoder(Role::server, 1'000);
  std::string begun = frame(0x41, kHello.substr(0, 3));
  decoder.feed(begun);
  EXPECT_FALSE(decoder.next(&inflater));
  EXPECT_EQ(decoder.buffered_bytes(), 3U);
}

TEST(WebSocketDecoder, RefusesTheBitWhereItWasNotAgreedOn) {
  EXPECT_THAT(decode(frame(0xC1, kHello)), ElementsAre("fault:1002"));
}

TEST(WebSocketDecoder, RefusesTheBitOnControlFramesAndContinuations) {
  for (int first : {0xC8, 0xC9, 0xCA})
    EXPECT_THAT(decode_deflated(frame(static_cast<std::uint8_t>(first), "")), ElementsAre("fault:1002")) << first;
  EXPECT_THAT(decode_deflated(frame(0x41, kHello.substr(0, 3)) + frame(0xC0, kHello.substr(3))),
              ElementsAre("fault:1002"));
  EXPECT_THAT(decode_deflated(frame(0x01, "a") + frame(0xC0, kHello)), ElementsAre("fault:1002"));
}

TEST(WebSocketDecoder, RefusesTheOtherReservedBitsBesideIt) {
  for (int first : {0xE1, 0xD1, 0xA1, 0x91, 0xF1})
    EXPECT_THAT(decode_deflated(frame(static_cast<std::uint8_t>(first), kHello)), ElementsAre("fault:1002")) << first;
}

TEST(WebSocketDecoder, AppliesItsLimitToTheInflatedMessage) {
  EXPECT_THAT(decode_deflated(frame(0xC2, deflated(std::string(1'000, 'a')))),
              ElementsAre("binary:" + std::string(1'000, 'a')));
  EXPECT_THAT(decode_deflated(frame(0xC2, deflated(std::string(1'001, 'a')))), ElementsAre("fault:1009"));
  EXPECT_THAT(decode_deflated(frame(0xC2, deflated(std::string(3'000'000, 'a'))), 100'000), ElementsAre("fault:1009"));
}

TEST(WebSocketDecoder, TakesAMessageAtItsLimitThatCompressionHasMadeLarger) {
  std::string noise(1'000, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i * 7919 >> 5);
  const std::string stored = std::string("\x00\xE8\x03\x17\xFC", 5) + noise + std::string(1, '\0');
  ASSERT_GT(stored.size(), noise.size());
  EXPECT_THAT(decode_deflated(frame(0xC2, stored)), ElementsAre("binary:" + noise));
}

TEST(WebSocketDecoder, RefusesCompressedBytesThatNoMessageWithinTheLimitTakes) {
  EXPECT_THAT(decode_deflated(frame(0x42, std::string(1'100, '\0')) + frame(0x00, std::string(200, '\0'))),
              ElementsAre("fault:1009"));
}

TEST(WebSocketDecoder, RefusesWhatCantBeInflated) {
  EXPECT_THAT(decode_deflated(frame(0xC2, "\xFF\xFF\xFF")), ElementsAre("fault:1007"));
  EXPECT_THAT(decode_deflated(frame(0xC1, kHello.substr(0, 4)) + frame(0x81, "late")), ElementsAre("fault:1007"));
}

TEST(WebSocketDecoder, RefusesInflatedTextThatIsNotUtf8) {
  EXPECT_THAT(decode_deflated(frame(0xC1, deflated("a\xFF"))), ElementsAre("fault:1007"));
  EXPECT_THAT(decode_deflated(frame(0xC1, deflated("a\xC3"))), ElementsAre("fault:1007"));
}

}  // namespace
}  // namespace famemely::websocket
