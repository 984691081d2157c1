#include "protocol/websocket/encoder.hpp"

#include <gtest/gtest.h>

namespace famemely::websocket {
namespace {

constexpr MaskingKey kKey{0x37, 0xFA, 0x21, 0x3D};

TEST(WebSocketEncoder, WritesTheExamplesOfTheRfc) {
  std::string out;
  append_message(out, Opcode::text, "Hello");
  EXPECT_EQ(out, "\x81\x05Hello");
  out.clear();
  append_message(out, Opcode::text, "Hello", kKey);
  EXPECT_EQ(out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST(WebSocketEncoder, MarksADeflatedMessageAsTheExampleOfRfc7692) {
  std::string out;
  append_deflated_message(out, Opcode::text, std::string_view("\xf2\x48\xcd\xc9\xc9\x07\x00", 7));
  EXPECT_EQ(out, std::string("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9));
}

TEST(WebSocketEncoder, UsesTheShortestLength) {
  const auto head = [](std::size_t size) {
    std::string out;
    append_frame_head(out, Opcode::binary, size);
    return out;
  };
  EXPECT_EQ(head(125), "\x82\x7D");
  EXPECT_EQ(head(126), std::string("\x82\x7E\x00\x7E", 4));
  EXPECT_EQ(head(65'535), "\x82\x7E\xFF\xFF");
  EXPECT_EQ(head(65'536), std::string("\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10));
}

TEST(WebSocketEncoder, WritesAnEmptyCloseForNoStatus) {
  std::string out;
  append_close(out, kCloseNoStatus, "ignored");
  EXPECT_EQ(out, std::string("\x88\x00", 2));
}

TEST(WebSocketEncoder, CutsACloseReasonAtACodePoint) {
  std::string out;
  append_close(out, 4008, std::string(122, 'a') + "\xC3\xA9");
  EXPECT_EQ(out, "\x88\x7C\x0F\xA8" + std::string(122, 'a'));
}

TEST(WebSocketEncoder, MasksTheSameInPieces) {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  std::string whole = text;
  apply_mask(whole, kKey);
  for (std::size_t split = 0; split <= text.size(); ++split) {
    std::string pieces = text;
    const std::size_t phase = apply_mask(std::span(pieces.data(), split), kKey);
    apply_mask(std::span(pieces.data() + split, pieces.size() - split), kKey, phase);
    EXPECT_EQ(pieces, whole);
  }
}

TEST(WebSocketEncoder, WalksItsOwnFrames) {
  for (std::size_t size : {0U, 1U, 125U, 126U, 65'535U, 65'536U}) {
    std::string out;
    append_message(out, Opcode::binary, std::string(size, 'x'));
    const std::size_t frame_bytes = out.size();
    append_message(out, Opcode::text, "next");
    const OwnFrame frame = first_own_frame(out);
    EXPECT_EQ(frame.opcode, Opcode::binary);
    EXPECT_EQ(frame.payload, std::string(size, 'x'));
    EXPECT_EQ(frame.frame_bytes, frame_bytes);
  }
}

}  // namespace
}  // namespace famemely::websocket
