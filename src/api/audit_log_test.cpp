#include "api/audit_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.hpp"

namespace famemely::api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Instant kStart{std::chrono::hours(1)};

std::vector<LogField> no_fields() { return {}; }

TEST(AuditLog, WritesALineWithTheEventsName) {
  testing::Diary diary;
  AuditLog log(diary);
  log.write(AuditEvent::denied, kStart, [] { return std::vector<LogField>{{"user", "u1"}}; });
  log.write(AuditEvent::administrator, "administrator connected", kStart, no_fields);
  EXPECT_THAT(diary.lines, ElementsAre("denied user=u1", "administrator connected"));
}

TEST(AuditLog, LeavesOutWhatIsTooMuchAndTellsHowMuch) {
  testing::Diary diary;
  AuditLog log(diary);
  for (int i = 0; i < 800; ++i) log.write(AuditEvent::refused, kStart, no_fields);
  log.write(AuditEvent::denied, kStart, no_fields);
  EXPECT_THAT(diary.lines, SizeIs(501)) << "one event does not hide another";
  diary.lines.clear();
  EXPECT_EQ(log.next_deadline(), kStart + std::chrono::seconds(1));
  log.on_timer(kStart + std::chrono::milliseconds(999));
  EXPECT_THAT(diary.lines, IsEmpty());
  log.on_timer(kStart + std::chrono::seconds(1));
  EXPECT_THAT(diary.lines, ElementsAre("lines left out of=connection refused count=300"));
  EXPECT_EQ(log.next_deadline(), kNever);
}

TEST(AuditLog, GoesOnAtItsRate) {
  testing::Diary diary;
  AuditLog log(diary);
  for (int i = 0; i < 600; ++i) log.write(AuditEvent::refused, kStart, no_fields);
  diary.lines.clear();
  for (int i = 0; i < 600; ++i) log.write(AuditEvent::refused, kStart + std::chrono::seconds(2), no_fields);
  EXPECT_THAT(diary.lines, SizeIs(100));
}

TEST(AuditLog, CutsWhatIsLong) {
  testing::Diary diary;
  AuditLog log(diary);
  const std::string text = std::string(AuditLog::kFieldBytesMax - 1, 'x');
  log.write(AuditEvent::denied, kStart, [&] { return std::vector<LogField>{{"topic", text + "\u00e4\u00e4"}}; });
  EXPECT_THAT(diary.lines, ElementsAre("denied topic=" + text + "\u2026"));
}

class Silent final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel level) const override { return level > LogLevel::info; }
  void write(LogLevel, std::string_view, const std::vector<LogField>&) override { FAIL(); }
};

TEST(AuditLog, IsOfLevelInfo) {
  Silent silent;
  AuditLog log(silent);
  for (int i = 0; i < 1000; ++i)
    log.write(AuditEvent::refused, kStart, [] {
      ADD_FAILURE() << "nobody wants the fields";
      return std::vector<LogField>{};
    });
  log.on_timer(kStart + std::chrono::hours(1));
}

}  // namespace
}  // namespace famemely::api
