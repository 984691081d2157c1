#include "protocol/engineio/payload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::engineio {
namespace {

using testing::ElementsAre;

std::vector<std::string> read(std::string_view body) {
  PayloadReader reader(body);
  std::vector<std::string> packets;
  while (const auto step = reader.next()) {
    const auto* packet = std::get_if<Packet>(&*step);
    packets.push_back(packet ? std::to_string(static_cast<int>(packet->type)) + (packet->binary ? "b:" : ":") +
                                   std::string(packet->data)
                             : "fault");
  }
  return packets;
}

TEST(EnginePayload, ReadsPacketsBetweenSeparators) {
  EXPECT_THAT(read("4hello\x1e\x32\x1e\x34\xE2\x82\xAC"), ElementsAre("4:hello", "2:", "4:\xE2\x82\xAC"));
}

TEST(EnginePayload, ReadsBinaryAsBase64) {
  EXPECT_THAT(read("bAQID\x1e\x62\x1e\x62/w=="), ElementsAre("4b:\x01\x02\x03", "4b:", "4b:\xFF"));
}

TEST(EnginePayload, ReadsEveryTypeOfPacket) {
  EXPECT_THAT(read("0\x1e\x31\x1e\x32\x1e\x33\x1e\x34\x1e\x35\x1e\x36"),
              ElementsAre("0:", "1:", "2:", "3:", "4:", "5:", "6:"));
}

TEST(EnginePayload, FaultsAtWhatIsNoPacketAndStopsThere) {
  EXPECT_THAT(read(""), ElementsAre("fault"));
  EXPECT_THAT(read("abc"), ElementsAre("fault"));
  EXPECT_THAT(read("7"), ElementsAre("fault"));
  EXPECT_THAT(read("4a\x1e"), ElementsAre("4:a", "fault"));
  EXPECT_THAT(read("4a\x1e\x1e\x34"
                   "b"),
              ElementsAre("4:a", "fault"));
  EXPECT_THAT(read("b!!\x1e\x34"
                   "a"),
              ElementsAre("fault"));
}

TEST(EnginePayload, FaultsAtTextThatIsNotUtf8) {
  EXPECT_THAT(read("4\xFF\x1e\x34"
                   "a"),
              ElementsAre("fault"));
}

TEST(EnginePayload, SaysBeforehandWhatAPacketTakes) {
  for (std::size_t size = 0; size < 10; ++size)
    for (const auto opcode : {websocket::Opcode::text, websocket::Opcode::binary}) {
      const std::string content(size, 'x');
      const websocket::OwnFrame frame{opcode, content, size + 2};
      std::string payload;
      append_packet(payload, frame);
      EXPECT_EQ(payload_bytes(frame), payload.size());
    }
}

}  // namespace
}  // namespace famemely::engineio
