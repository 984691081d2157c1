#include "protocol/engineio/outbox.hpp"

#include <gtest/gtest.h>

#include <array>

namespace famemely::engineio {
namespace {

std::string everything(const FramePool& pool, const Outbox& outbox) {
  std::array<Piece, 100> pieces;
  std::string all;
  const std::size_t count = pool.gather(outbox, pieces);
  for (std::size_t i = 0; i < count; ++i) all += pieces[i];
  return all;
}

std::string payload_of(FramePool& pool, Outbox& outbox, std::size_t packets_max = 16, std::size_t bytes_max = 1000) {
  std::string payload;
  pool.take_payload(outbox, payload, packets_max, bytes_max);
  return payload;
}

/// A text packet and binary ones that belong to it.
Frame event_with_attachments(std::string_view text, std::size_t attachments) {
  std::string bytes;
  websocket::append_message(bytes, websocket::Opcode::text, text);
  for (std::size_t i = 0; i < attachments; ++i)
    websocket::append_message(bytes, websocket::Opcode::binary, std::string(1, static_cast<char>(i)));
  return Frame(SharedBytes(bytes));
}

TEST(EngineOutbox, WritesEveryByteOnceWhereverTheWritesEnd) {
  const std::string expected =
      "\x81\x04"
      "4one"
      "\x81\x04"
      "4two"
      "\x81\x06"
      "4three";
  for (std::size_t write = 1; write <= expected.size(); ++write) {
    FramePool pool;
    Outbox outbox;
    for (const char* text : {"4one", "4two", "4three"}) pool.push(outbox, make_text_frame(text));
    std::string written;
    while (!outbox.empty()) {
      const std::string left = everything(pool, outbox);
      EXPECT_EQ(outbox.bytes, left.size());
      const std::size_t bytes = std::min(write, left.size());
      written += left.substr(0, bytes);
      pool.consume(outbox, bytes);
    }
    EXPECT_EQ(written, expected);
    EXPECT_EQ(outbox.bytes, 0U);
  }
}

TEST(EngineOutbox, GathersNoMoreThanThereIsRoomFor) {
  FramePool pool;
  Outbox outbox;
  for (int i = 0; i < 5; ++i) pool.push(outbox, make_text_frame("4x"));
  std::array<Piece, 3> pieces;
  EXPECT_EQ(pool.gather(outbox, pieces), 3U);
}

TEST(EngineOutbox, PushesAheadOfWhatHasNotBegun) {
  FramePool pool;
  Outbox outbox;
  pool.push(outbox, make_text_frame("4a"));
  pool.push(outbox, make_text_frame("4b"));
  pool.push_ahead(outbox, make_text_frame("2"));
  EXPECT_EQ(payload_of(pool, outbox),
            "2\x1e"
            "4a\x1e"
            "4b");
  pool.push_ahead(outbox, make_text_frame("2"));
  pool.push(outbox, make_text_frame("4c"));
  EXPECT_EQ(payload_of(pool, outbox),
            "2\x1e"
            "4c");
}

TEST(EngineOutbox, NeverPushesIntoAFrameThatHasBegun) {
  FramePool pool;
  Outbox outbox;
  pool.push(outbox, make_text_frame("4a"));
  pool.consume(outbox, 1);
  pool.push_ahead(outbox, make_text_frame("2"));
  pool.push(outbox, make_text_frame("4b"));
  EXPECT_EQ(everything(pool, outbox),
            "\x02"
            "4a"
            "\x81\x01"
            "2"
            "\x81\x02"
            "4b");
}

TEST(EngineOutbox, KeepsAFrameThatHasBegunWhenTheRestIsDropped) {
  FramePool pool;
  Outbox outbox;
  for (const char* text : {"4a", "4b", "4c"}) pool.push(outbox, make_text_frame(text));
  pool.consume(outbox, 5);
  pool.drop_unstarted(outbox);
  EXPECT_EQ(everything(pool, outbox), std::string("\x02"
                                                  "4b"));
  EXPECT_EQ(outbox.bytes, 3U);
  pool.push(outbox, make_text_frame("1"));
  EXPECT_EQ(everything(pool, outbox), std::string("\x02"
                                                  "4b\x81\x01"
                                                  "1"));
}

TEST(EngineOutbox, DropsAllWhenNothingHasBegun) {
  FramePool pool;
  Outbox outbox;
  pool.push(outbox, make_text_frame("4a"));
  pool.drop_unstarted(outbox);
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.bytes, 0U);
}

TEST(EngineOutbox, AppendsAQueueThatWasPartlyPolled) {
  FramePool pool;
  Outbox polled;
  pool.push(polled, event_with_attachments("4e", 3));
  EXPECT_EQ(payload_of(pool, polled, 1), "4e");
  Outbox probe;
  pool.push(probe, make_text_frame("3probe"));
  pool.append(probe, polled);
  EXPECT_TRUE(polled.empty());
  EXPECT_EQ(everything(pool, probe), std::string("\x81\x06"
                                                 "3probe\x82\x01\x00\x82\x01\x01\x82\x01\x02",
                                                 17));
  EXPECT_EQ(probe.bytes, 17U);
}

TEST(EngineOutbox, TakesAtMostSoManyPacketsForAPoll) {
  FramePool pool;
  Outbox outbox;
  for (int i = 0; i < 5; ++i) pool.push(outbox, make_text_frame("4" + std::to_string(i)));
  EXPECT_EQ(payload_of(pool, outbox, 3),
            "40\x1e"
            "41\x1e"
            "42");
  EXPECT_EQ(payload_of(pool, outbox, 3),
            "43\x1e"
            "44");
}

TEST(EngineOutbox, TakesAtMostSoManyBytesForAPoll) {
  FramePool pool;
  Outbox outbox;
  for (int i = 0; i < 3; ++i) pool.push(outbox, make_text_frame("4" + std::to_string(i)));
  EXPECT_EQ(payload_of(pool, outbox, 16, 5),
            "40\x1e"
            "41");
  EXPECT_EQ(payload_of(pool, outbox, 16, 5), "42");
}

TEST(EngineOutbox, LetsALargerPacketGoAlone) {
  FramePool pool;
  Outbox outbox;
  pool.push(outbox, make_text_frame("4" + std::string(50, 'x')));
  pool.push(outbox, make_text_frame("4y"));
  EXPECT_EQ(payload_of(pool, outbox, 16, 20), "4" + std::string(50, 'x'));
  EXPECT_EQ(payload_of(pool, outbox, 16, 20), "4y");
}

TEST(EngineOutbox, KeepsAnEventAndItsAttachmentsTogetherIfTheyFit) {
  FramePool pool;
  Outbox outbox;
  pool.push(outbox, make_text_frame("4first"));
  pool.push(outbox, event_with_attachments("4e", 2));
  EXPECT_EQ(payload_of(pool, outbox, 3), "4first");
  EXPECT_EQ(payload_of(pool, outbox, 3),
            "4e\x1e"
            "bAA==\x1e"
            "bAQ==");
}

TEST(EngineOutbox, AllocatesNoLinkThatItCanUseAgain) {
  FramePool pool;
  Outbox outbox;
  const Frame frame = make_text_frame("4x");
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) pool.push(outbox, frame);
    pool.clear(outbox);
  }
  for (int i = 0; i < 4; ++i) pool.push(outbox, frame);
  EXPECT_EQ(pool.capacity(), 4U);
}

}  // namespace
}  // namespace famemely::engineio
