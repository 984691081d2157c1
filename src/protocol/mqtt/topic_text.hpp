#pragma once

#include <cstddef>
#include <string_view>

namespace famemely::mqtt {

/// What topic names and topic filters have in common: nullptr if the text may be either, else the refusal.
[[nodiscard]] const char* fault_of_topic_text(std::string_view text);

/// True if such a fault, or a text that repeats it, is for the length or the levels.
[[nodiscard]] bool is_topic_limit(std::string_view fault);

/// Walks through the levels of a topic or filter; `a//b` has three, the second of them empty.
class LevelCursor {
 public:
  LevelCursor() = default;
  explicit LevelCursor(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return done_; }
  /// Must not be called when done.
  std::string_view next() {
    const std::size_t slash = rest_.find('/');
    const std::string_view level = rest_.substr(0, slash);
    if (slash == std::string_view::npos)
      done_ = true;
    else
      rest_.remove_prefix(slash + 1);
    return level;
  }

 private:
  std::string_view rest_;
  bool done_ = false;
};

}  // namespace famemely::mqtt
