#pragma once

#include <string>
#include <string_view>

namespace famemely::serving {

/// The oldest of OpenSSL's errors of this thread, in words; forgets them all. `fallback` if there is none.
[[nodiscard]] std::string take_openssl_error(std::string_view fallback);

}  // namespace famemely::serving
