#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace famemely::mqtt {

/// What a subscription is made for: a topic whose levels may be `+`, and whose last level may be `#`. The same text
/// rules as TopicName. Shared subscriptions (`$share/...`) are refused.
class TopicFilter {
 public:
  /// A refusal is a sentence for the client, such as `topic must hold # only as its last level`.
  [[nodiscard]] static Result<TopicFilter, std::string> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const& { return text_; }
  [[nodiscard]] std::string text() && { return std::move(text_); }
  /// False if the filter matches one topic only: its own text.
  [[nodiscard]] bool has_wildcard() const;

  bool operator==(const TopicFilter&) const = default;

 private:
  explicit TopicFilter(std::string_view text) : text_(text) {}

  std::string text_;
};

}  // namespace famemely::mqtt

template <>
struct std::hash<famemely::mqtt::TopicFilter> {
  std::size_t operator()(const famemely::mqtt::TopicFilter& filter) const noexcept {
    return std::hash<std::string_view>{}(filter.text());
  }
};
