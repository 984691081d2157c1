#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_text.hpp"
#include "base/result.hpp"
#include "gateway/claim_path.hpp"
#include "gateway/identity.hpp"
#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::gateway {

/// What a token puts into placeholders: an identity with its claims looked at once.
class TokenValues {
 public:
  /// The identity must outlive it.
  explicit TokenValues(const Identity& identity);

  [[nodiscard]] std::optional<JsonView> claim(const ClaimPath& path) const;
  /// What stands for `{path}`: `{sub}` is the user's id, for backends too. Texts as they are, numbers and booleans as
  /// the token writes them. Nothing if it is absent, empty, or would not stay within one level of a topic: if it holds
  /// `/`, `+`, `#` or U+0000.
  [[nodiscard]] std::optional<std::string> placeholder(const ClaimPath& path) const;

 private:
  const Identity& identity_;
  std::optional<JsonView> claims_;
};

/// A topic filter of a permission rule, with placeholders: `app/users/{sub}/#`.
class TopicTemplate {
 public:
  /// What to do about a placeholder without a usable value.
  enum class Missing { never_matches, matches_any_level };

  [[nodiscard]] static Result<TopicTemplate, std::string> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// The filter itself if it is the same for everybody.
  [[nodiscard]] const std::optional<mqtt::TopicFilter>& fixed() const { return fixed_; }
  /// Whose values it needs.
  [[nodiscard]] std::vector<ClaimPath> claims() const;
  /// The filter for one token. A level with a placeholder that has no value becomes `+`, or there is no filter at all.
  [[nodiscard]] std::optional<mqtt::TopicFilter> filter_for(const TokenValues& values, Missing missing) const;

  bool operator==(const TopicTemplate& other) const { return text_ == other.text_; }

 private:
  struct Piece {
    std::string literal;
    std::optional<ClaimPath> placeholder;  // after the literal
  };
  using Level = std::vector<Piece>;

  /// Without values: as if each were missing.
  [[nodiscard]] std::optional<std::string> text_for(const TokenValues* values, Missing missing) const;

  explicit TopicTemplate(std::string text) : text_(std::move(text)) {}

  std::string text_;
  std::vector<Level> levels_;
  std::optional<mqtt::TopicFilter> fixed_;
};

}  // namespace famemely::gateway
