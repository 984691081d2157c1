#include "app/logging.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <thread>

#include "base/json_text.hpp"

namespace famemely::app {
namespace {

using ::testing::HasSubstr;

constexpr WallTime kTime{std::chrono::milliseconds(1'700'000'000'123)};

TEST(JsonLine, IsOneObject) {
  EXPECT_EQ(
      json_line(kTime, LogLevel::warn, "broker lost", {{"host", "b"}, {"port", 1883}, {"again", true}}),
      R"({"time":"2023-11-14T22:13:20.123Z","level":"warn","event":"broker lost","host":"b","port":1883,"again":true})");
}

TEST(JsonLine, EscapesWhatPeersSent) {
  const std::string line =
      json_line(kTime, LogLevel::info, "e", {{"a", "x\"\n\x1b[31m\xFFy\xC2\x85"}, {"n", std::nan("")}});
  EXPECT_FALSE(check_json(line)) << line;
  EXPECT_THAT(line, HasSubstr("\\\"\\n\\u001b[31m\xEF\xBF\xBDy\\u0085"));
  EXPECT_THAT(line, HasSubstr(R"("n":"nan")"));
}

TEST(TextLine, IsAlignedForPeople) {
  EXPECT_EQ(text_line(kTime, LogLevel::info, "listening", {{"address", "::1"}, {"port", 3001}}, false),
            "2023-11-14T22:13:20.123Z INFO  listening                    address=::1 port=3001");
  EXPECT_EQ(text_line(kTime, LogLevel::error, "stopped", {}, false), "2023-11-14T22:13:20.123Z ERROR stopped");
}

TEST(TextLine, QuotesWhatCouldBeTakenForSomethingElse) {
  const auto field = [](std::string_view value) {
    const std::string line = text_line(kTime, LogLevel::info, "e", {{"k", value}}, false);
    return line.substr(line.find("k="));
  };
  EXPECT_EQ(field("plain/topic"), "k=plain/topic");
  EXPECT_EQ(field(""), "k=\"\"");
  EXPECT_EQ(field("a b"), "k=\"a b\"");
  EXPECT_EQ(field("a=b"), "k=\"a=b\"");
  EXPECT_EQ(field("a\nERROR forged"), "k=\"a\\nERROR forged\"");
  EXPECT_EQ(field("\x1b[2J"), "k=\"\\u001b[2J\"");
  EXPECT_EQ(field("\xC2\x9B[2J"), "k=\"\\u009b[2J\"");
  EXPECT_EQ(field("\x7F"), "k=\"\\u007f\"");
  EXPECT_EQ(field("\xC3"), "k=\"\xEF\xBF\xBD\"");
  EXPECT_EQ(field("gr\xC3\xBC\xC3\x9F"), "k=gr\xC3\xBC\xC3\x9F");
}

TEST(TextLine, IsColouredOnRequest) {
  EXPECT_THAT(text_line(kTime, LogLevel::error, "e", {}, true), HasSubstr("\x1b[31mERROR\x1b[0m e"));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(Logger, WritesLinesOfItsLevelToStandardError) {
  ::testing::internal::CaptureStderr();
  const auto logger = make_logger(LogFormat::json, LogLevel::info);
  logger->debug("hidden");
  logger->info("shown {} %s", {{"k", 1}});
  logger->set_level(LogLevel::debug);
  logger->debug("now shown");
  logger->set_level(LogLevel::off);
  logger->error("hidden");
  const auto lines = lines_of(::testing::internal::GetCapturedStderr());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr(R"("level":"info","event":"shown {} %s","k":1})"));
  EXPECT_THAT(lines[1], HasSubstr("now shown"));
}

TEST(Logger, SaysWhichLevelsItWrites) {
  const auto logger = make_logger(LogFormat::text, LogLevel::warn);
  EXPECT_FALSE(logger->enabled(LogLevel::info));
  EXPECT_TRUE(logger->enabled(LogLevel::warn));
  EXPECT_FALSE(logger->enabled(LogLevel::off));
  logger->set_level(LogLevel::trace);
  EXPECT_TRUE(logger->enabled(LogLevel::trace));
  logger->set_level(LogLevel::off);
  EXPECT_FALSE(logger->enabled(LogLevel::error));
  EXPECT_FALSE(logger->enabled(LogLevel::off));
}

TEST(Logger, KeepsLinesOfSeveralThreadsApart) {
  ::testing::internal::CaptureStderr();
  const auto logger = make_logger(LogFormat::json, LogLevel::info);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) logger->info("event", {{"filler", std::string(200, 'x')}});
    });
  for (int i = 0; i < 100; ++i) logger->set_level(i % 2 == 0 ? LogLevel::debug : LogLevel::info);
  for (std::thread& thread : threads) thread.join();
  const auto lines = lines_of(::testing::internal::GetCapturedStderr());
  EXPECT_EQ(lines.size(), 2000U);
  for (const std::string& line : lines) EXPECT_FALSE(check_json(line)) << line;
}

}  // namespace
}  // namespace famemely::app
