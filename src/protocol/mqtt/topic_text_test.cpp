#include "protocol/mqtt/topic_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace famemely::mqtt {
namespace {

std::vector<std::string> levels(std::string_view text) {
  std::vector<std::string> all;
  for (LevelCursor cursor(text); !cursor.done();) all.emplace_back(cursor.next());
  return all;
}

TEST(LevelCursor, KeepsEmptyLevels) {
  EXPECT_EQ(levels("/a//b/"), (std::vector<std::string>{"", "a", "", "b", ""}));
  EXPECT_EQ(levels("a"), (std::vector<std::string>{"a"}));
}

}  // namespace
}  // namespace famemely::mqtt
