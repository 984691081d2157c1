#include "protocol/engineio/deflated_frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/websocket/decoder.hpp"

namespace famemely::engineio {
namespace {

using testing::ElementsAre;

constexpr std::size_t kBytesMin = 100;
const std::string kLarge(1'000, 'x');

/// The messages of a frame, with a star before those that travel compressed.
std::vector<std::string> messages_in(const Frame& frame) {
  std::string bytes(frame.websocket_bytes());
  websocket::Decoder decoder(websocket::Role::client, 100'000'000);
  Inflater inflater;
  decoder.feed(bytes);
  std::vector<std::string> messages;
  std::string_view rest = frame.websocket_bytes();
  while (const auto event = decoder.next(&inflater)) {
    const websocket::OwnFrame own = websocket::first_own_frame(rest);
    const bool compressed = (static_cast<std::uint8_t>(rest.front()) & 0x40) != 0;
    const auto* message = std::get_if<websocket::Message>(&*event);
    messages.push_back((compressed ? "*" : "") + (message ? std::string(message->data) : std::string("(control)")));
    rest.remove_prefix(own.frame_bytes);
  }
  return messages;
}

const char* identity(const Frame& frame) { return frame.websocket_bytes().data(); }

TEST(DeflatedFrames, CompressesWhatReachesTheThreshold) {
  DeflatedFrames frames(kBytesMin);
  const Frame large = make_text_frame(std::string(kBytesMin, 'x'));
  EXPECT_THAT(messages_in(frames.of(large, 15)), ElementsAre("*" + std::string(kBytesMin, 'x')));
  EXPECT_LT(frames.of(large, 15).size(), large.size());
  const Frame small = make_text_frame(std::string(kBytesMin - 1, 'x'));
  EXPECT_EQ(identity(frames.of(small, 15)), identity(small));
}

TEST(DeflatedFrames, CompressesAFrameOnceForAll) {
  DeflatedFrames frames(kBytesMin);
  const Frame one = make_text_frame(kLarge);
  const Frame other = make_text_frame(kLarge + "other");
  const char* const first = identity(frames.of(one, 15));
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(identity(frames.of(one, 15)), first);
    (void)frames.of(other, 15);
  }
  EXPECT_EQ(frames.count(), 2U);
}

TEST(DeflatedFrames, CompressesOnceForEachWindow) {
  DeflatedFrames frames(kBytesMin);
  const Frame frame = make_text_frame(kLarge);
  for (int i = 0; i < 10; ++i)
    for (std::uint8_t bits = 9; bits <= 15; ++bits)
      EXPECT_THAT(messages_in(frames.of(frame, bits)), ElementsAre("*" + kLarge));
  EXPECT_EQ(frames.count(), 7U);
}

TEST(DeflatedFrames, KeepsEachMessageOfAFrameForItself) {
  DeflatedFrames frames(kBytesMin);
  const std::vector<std::string_view> attachments{"short", kLarge, std::string_view("")};
  const Frame frame = make_frame("451-[]", attachments);
  EXPECT_THAT(messages_in(frames.of(frame, 15)), ElementsAre("451-[]", "short", "*" + kLarge, ""));
}

TEST(DeflatedFrames, LeavesAloneWhatOnlyTogetherReachesTheThreshold) {
  DeflatedFrames frames(kBytesMin);
  const std::string half(kBytesMin / 2 + 10, 'x');
  const std::vector<std::string_view> attachments{half};
  const Frame frame = make_frame(half, attachments);
  EXPECT_EQ(identity(frames.of(frame, 15)), identity(frame));
  EXPECT_EQ(frames.count(), 0U);
}

TEST(DeflatedFrames, LeavesAloneWhatDoesNotGetSmaller) {
  DeflatedFrames frames(0);
  for (const std::string& text : {std::string(), std::string("2"), std::string("4hi")}) {
    const Frame frame = make_text_frame(text);
    EXPECT_EQ(identity(frames.of(frame, 15)), identity(frame)) << text;
  }
}

TEST(DeflatedFrames, NeverTouchesControlFrames) {
  DeflatedFrames frames(0);
  std::string bytes;
  websocket::append_pong(bytes, std::string(125, 'x'));
  const Frame pong{SharedBytes(bytes)};
  EXPECT_EQ(identity(frames.of(pong, 15)), identity(pong));
}

TEST(DeflatedFrames, LeavesAloneWhatIsToStayUncompressed) {
  DeflatedFrames frames(kBytesMin);
  const Frame frame = make_text_frame(kLarge);
  const Frame same = frame.uncompressed();
  EXPECT_EQ(identity(frames.of(same, 15)), identity(frame));
  EXPECT_NE(identity(frames.of(frame, 15)), identity(frame));
  EXPECT_EQ(identity(frames.of(same, 15)), identity(frame)) << "though the other is kept compressed";
}

TEST(DeflatedFrames, DoesNotTakeAnAddressForTheFrameThatHadItBefore) {
  DeflatedFrames frames(kBytesMin);
  for (int i = 0; i < 100; ++i) {
    const std::string text = kLarge + std::to_string(i);
    const Frame frame = make_text_frame(text);
    EXPECT_THAT(messages_in(frames.of(frame, 15)), ElementsAre("*" + text));
    if (i % 10 == 0) frames.forget();
  }
}

}  // namespace
}  // namespace famemely::engineio
