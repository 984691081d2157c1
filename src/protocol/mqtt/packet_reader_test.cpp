#include "protocol/mqtt/packet_reader.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;

/// What the reader finds, in words; views are turned into words before the next feed.
std::vector<std::string> read(PacketReader& reader, std::string_view fed) {
  std::vector<std::string> found;
  reader.feed(fed);
  while (true) {
    const ReadOutcome outcome = reader.next();
    if (std::holds_alternative<NeedMore>(outcome)) return found;
    if (const auto* fault = std::get_if<DecodeFault>(&outcome)) {
      found.emplace_back(fault->what);
      return found;
    }
    if (const auto* large = std::get_if<OversizedPublish>(&outcome)) {
      found.push_back("large " + std::string(large->topic) + " id " + std::to_string(large->packet_id));
      continue;
    }
    const auto& packet = std::get<ReceivedPacket>(outcome);
    if (const auto* publish = std::get_if<Publish>(&packet))
      found.push_back("publish " + std::string(publish->topic) + " " + std::string(publish->payload));
    else
      found.emplace_back("packet");
  }
}

std::string stream() {
  return bytes("d0 00  30 06 0001 'a' 'one'  40 02 0001  30 8801 0001 'b'") + std::string(133, 'x') +
         bytes("30 06 0001 'c' 'two'");
}

const std::vector<std::string> kFound{"packet", "publish a one", "packet", "publish b " + std::string(133, 'x'),
                                      "publish c two"};

PacketReader reader_of_311(std::size_t packet_bytes_max) {
  PacketReader reader(packet_bytes_max);
  reader.reset(ProtocolVersion::v3_1_1);
  return reader;
}

TEST(PacketReader, FindsThePacketsOfOneFeed) {
  PacketReader reader = reader_of_311(1000);
  EXPECT_EQ(read(reader, stream()), kFound);
}

TEST(PacketReader, FindsTheSameSplitAtEveryByte) {
  const std::string whole = stream();
  for (std::size_t split = 0; split <= whole.size(); ++split) {
    PacketReader reader = reader_of_311(1000);
    std::vector<std::string> found = read(reader, whole.substr(0, split));
    for (const auto& each : read(reader, whole.substr(split))) found.push_back(each);
    ASSERT_EQ(found, kFound) << split;
  }
}

TEST(PacketReader, FindsTheSameByteByByte) {
  PacketReader reader = reader_of_311(1000);
  std::vector<std::string> found;
  for (char byte : stream())
    for (const auto& each : read(reader, std::string_view(&byte, 1))) found.push_back(each);
  EXPECT_EQ(found, kFound);
}

TEST(PacketReader, ReadsPastAPublishThatIsTooLargeWhereverItIsSplit) {
  const std::string whole = bytes("32 8a01 0001 'b' 0007") + std::string(133, 'x') + bytes("30 06 0001 'c' 'two'");
  for (std::size_t split = 0; split <= whole.size(); ++split) {
    PacketReader reader = reader_of_311(100);
    std::vector<std::string> found = read(reader, whole.substr(0, split));
    for (const auto& each : read(reader, whole.substr(split))) found.push_back(each);
    ASSERT_EQ(found, (std::vector<std::string>{"large b id 7", "publish c two"})) << split;
  }
}

TEST(PacketReader, RefusesALargePacketOfABrokerThatKnowsTheLimit) {
  PacketReader reader(100);
  reader.reset(ProtocolVersion::v5);
  EXPECT_EQ(read(reader, bytes("30 8801 0001 'b'")),
            (std::vector<std::string>{"packet is larger than the Maximum Packet Size that we announced"}));
}

TEST(PacketReader, RefusesALargePublishWhoseTopicLeavesIt) {
  PacketReader reader = reader_of_311(10);
  EXPECT_EQ(read(reader, bytes("30 0c 00ff")), (std::vector<std::string>{"PUBLISH is too short"}));
}

TEST(PacketReader, ForgetsWhatHadBegunWhenAnotherConnectionBegins) {
  PacketReader reader = reader_of_311(1000);
  EXPECT_TRUE(read(reader, bytes("30 06 0001")).empty());
  reader.reset(ProtocolVersion::v3_1_1);
  EXPECT_EQ(read(reader, bytes("30 06 0001 'c' 'two'")), (std::vector<std::string>{"publish c two"}));
}

}  // namespace
}  // namespace famemely::mqtt
