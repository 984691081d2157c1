#include "app/reloads.hpp"

#include <gtest/gtest.h>

namespace famemely::app {
namespace {

class Diary final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel) const override { return true; }
  void write(LogLevel level, std::string_view event, const std::vector<LogField>& fields) override {
    std::string line = level == LogLevel::error ? "ERROR " : "";
    line += event;
    for (const LogField& field : fields) line.append(" ").append(field.name).append("=").append(field.value);
    lines.push_back(std::move(line));
  }

  std::vector<std::string> lines;
};

TEST(Reloads, GoOnAfterAPartThatFails) {
  Diary diary;
  Reloads reloads(diary);
  reloads.add("keys", [] { return "line 3"; });
  reloads.add("permissions", [] { return std::nullopt; });
  reloads.run_all();
  EXPECT_EQ(diary.lines, (std::vector<std::string>{"ERROR reload failed, keeping the old what=keys error=line 3",
                                                   "reloaded what=permissions"}));
}

TEST(Reloads, RunOnePartByItsName) {
  Diary diary;
  Reloads reloads(diary);
  reloads.add("keys", [] { return std::nullopt; });
  reloads.add("permissions", [] { return std::nullopt; });
  reloads.run("permissions");
  EXPECT_EQ(diary.lines, std::vector<std::string>{"reloaded what=permissions"});
}

}  // namespace
}  // namespace famemely::app
