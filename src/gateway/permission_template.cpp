#include "gateway/permission_template.hpp"

#include <utility>

#include <fmt/format.h>

namespace famemely::gateway {
namespace {

constexpr std::string_view kNotWithinALevel = "/+#";

/// Stands for a value when a template is checked before there is one.
constexpr std::string_view kAnyValue = "x";

}  // namespace

TokenValues::TokenValues(const Identity& identity) : identity_(identity) {
  if (auto claims = JsonView::parse(identity.claims_json)) claims_ = *claims;
}

std::optional<JsonView> TokenValues::claim(const ClaimPath& path) const {
  return claims_ ? path.find_in(*claims_) : std::nullopt;
}

std::optional<std::string> TokenValues::placeholder(const ClaimPath& path) const {
  std::optional<std::string> value;
  if (path.text() == "sub") {
    value = identity_.user_id;
  } else if (const auto found = claim(path)) {
    switch (found->kind()) {
      case JsonKind::string:
        value = found->as_string();
        break;
      case JsonKind::number:
      case JsonKind::boolean:
        value = std::string(found->raw());
        break;
      case JsonKind::null:
      case JsonKind::array:
      case JsonKind::object:
        break;
    }
  }
  if (!value || value->find_first_of(kNotWithinALevel) != std::string::npos) return std::nullopt;
  // Empty, or with characters that no topic holds.
  if (!mqtt::TopicFilter::parse(*value)) return std::nullopt;
  return value;
}

Result<TopicTemplate, std::string> TopicTemplate::parse(std::string_view text) {
  TopicTemplate parsed{std::string(text)};
  std::string sample;
  bool has_placeholders = false;
  Level level(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char letter = text[at];
    if (letter == '}') return failure(fmt::format("`{}`: a `}}` without its `{{`", text));
    if (letter == '{') {
      const auto end = text.find_first_of("{}/", at + 1);
      if (end == std::string_view::npos || text[end] != '}') {
        return failure(fmt::format("`{}`: a `{{` without its `}}`", text));
      }
      // An absent value would have to act as `+` in a deny rule, and that does not reach topics that begin with `$`.
      if (text.starts_with('$') && parsed.levels_.empty())
        return failure(fmt::format("`{}`: no placeholder can stand in a first level that begins with `$`", text));
      auto path = ClaimPath::parse(text.substr(at + 1, end - at - 1));
      if (!path) return failure(fmt::format("`{}`: {}", text, path.error()));
      level.back().placeholder = std::move(*path);
      level.emplace_back();
      has_placeholders = true;
      sample += kAnyValue;
      at = end;
      continue;
    }
    sample += letter;
    if (letter == '/') {
      parsed.levels_.push_back(std::exchange(level, Level(1)));
    } else {
      level.back().literal += letter;
    }
  }
  parsed.levels_.push_back(std::move(level));

  auto filter = mqtt::TopicFilter::parse(sample);
  if (!filter) return failure(fmt::format("`{}`: {}", text, filter.error()));
  if (!has_placeholders) {
    parsed.levels_.clear();
    parsed.fixed_ = std::move(*filter);
  }
  return parsed;
}

std::vector<ClaimPath> TopicTemplate::claims() const {
  std::vector<ClaimPath> claims;
  for (const Level& level : levels_)
    for (const Piece& piece : level)
      if (piece.placeholder) claims.push_back(*piece.placeholder);
  return claims;
}

std::optional<mqtt::TopicFilter> TopicTemplate::filter_for(const TokenValues& values, Missing missing) const {
  if (fixed_) return fixed_;
  const auto text = text_for(&values, missing);
  if (!text) return std::nullopt;
  if (auto filter = mqtt::TopicFilter::parse(*text)) return *std::move(filter);
  // The values are too long for one topic, and so as good as none.
  const auto without = text_for(nullptr, missing);
  if (!without) return std::nullopt;
  return *mqtt::TopicFilter::parse(*without);
}

std::optional<std::string> TopicTemplate::text_for(const TokenValues* values, Missing missing) const {
  std::string text;
  for (const Level& level : levels_) {
    if (&level != &levels_.front()) text += '/';
    const std::size_t begin = text.size();
    for (const Piece& piece : level) {
      text += piece.literal;
      if (!piece.placeholder) continue;
      if (auto value = values ? values->placeholder(*piece.placeholder) : std::nullopt) {
        // Who is named `$SYS` shall not be given the broker's own topics by a rule of users' spaces.
        if (missing == Missing::never_matches && text.empty() && value->starts_with('$')) return std::nullopt;
        text += *value;
      } else if (missing == Missing::never_matches) {
        return std::nullopt;
      } else {
        text.resize(begin);
        text += '+';
        break;
      }
    }
  }
  return text;
}

}  // namespace famemely::gateway
