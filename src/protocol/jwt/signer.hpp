#pragma once

#include <string>
#include <string_view>

namespace famemely::jwt {

/// HMAC-SHA-256 (RFC 2104), 32 bytes.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view bytes);

/// A compact JWS (RFC 7515 section 7.1) over exactly these two texts, with an HS256 signature.
[[nodiscard]] std::string sign_hs256(std::string_view secret, std::string_view header_json,
                                     std::string_view payload_json);
/// The same with the header `{"alg":"HS256","typ":"JWT"}`.
[[nodiscard]] std::string sign_hs256(std::string_view secret, std::string_view payload_json);

}  // namespace famemely::jwt
