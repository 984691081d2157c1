#pragma once

#include <string>
#include <string_view>

namespace famemely::jwt {

/// SHA-256 (FIPS 180-4), 32 bytes.
[[nodiscard]] std::string sha256(std::string_view bytes);

/// Two lower-case digits a byte.
[[nodiscard]] std::string to_hex(std::string_view bytes);

}  // namespace famemely::jwt
