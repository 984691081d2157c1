#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace famemely::mqtt {

inline constexpr std::size_t kTopicBytesMax = 65'535;  // MQTT 5 section 4.7.3
inline constexpr std::size_t kTopicLevelsMax = 128;    // ours

/// How large a topic or filter may be; never more than the constants say.
struct TopicLimits {
  std::size_t bytes = kTopicBytesMax;
  std::size_t levels = kTopicLevelsMax;
};

/// What topic names and topic filters have in common: nothing if the text may be either, else the refusal.
[[nodiscard]] std::optional<std::string> fault_of_topic_text(std::string_view text);
/// The part of it that is about size.
[[nodiscard]] std::optional<std::string> fault_of_topic_size(std::string_view text, const TopicLimits& limits);

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
