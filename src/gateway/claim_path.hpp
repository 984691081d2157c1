#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_text.hpp"
#include "base/result.hpp"

namespace famemely::gateway {

/// The name of a claim, dots going into objects: `app_metadata.role`.
class ClaimPath {
 public:
  /// Refuses an empty text and empty names between dots.
  [[nodiscard]] static Result<ClaimPath, std::string> parse(std::string_view text);

  /// The claim's value inside the object of all claims, or nothing if any name on the way is absent.
  [[nodiscard]] std::optional<JsonView> find_in(const JsonView& claims) const;

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string_view first_name() const { return std::string_view(text_).substr(0, text_.find('.')); }

  bool operator==(const ClaimPath&) const = default;

 private:
  explicit ClaimPath(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

/// The option JWT_ROLE_CLAIMS: where a token's roles come from.
class RoleClaims {
 public:
  /// `user_metadata` and what is in it is refused, because users write it themselves.
  [[nodiscard]] static Result<RoleClaims, std::string> parse(const std::vector<std::string>& paths);
  /// A comma-separated list; empty entries are left out.
  [[nodiscard]] static Result<RoleClaims, std::string> parse(std::string_view list);
  /// `role,user_role,app_metadata.role,app_metadata.roles`
  [[nodiscard]] static RoleClaims defaults();

  /// Strings and arrays of strings at these paths, empty ones ignored, each once, in the order of the list.
  [[nodiscard]] std::vector<std::string> roles_of(const JsonView& claims) const;

  bool operator==(const RoleClaims&) const = default;

 private:
  std::vector<ClaimPath> paths_;
};

}  // namespace famemely::gateway
