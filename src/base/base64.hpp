#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace famemely {

/// RFC 4648 section 4, with padding.
[[nodiscard]] std::string base64_encode(std::string_view bytes);
void base64_append(std::string& out, std::string_view bytes);

/// RFC 4648 section 4; padding may be left out, anything else outside the alphabet is refused.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

/// RFC 4648 section 5, without padding, as JWTs and session ids use it.
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
/// Strict: no padding, no stray bits after the last byte.
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace famemely
