#include "serving/openssl_error.hpp"

#include <openssl/err.h>

#include <cstring>

namespace famemely::serving {

std::string take_openssl_error(std::string_view fallback) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return std::string(fallback);
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(static_cast<int>(ERR_GET_REASON(code)));
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : std::string(fallback);
}

}  // namespace famemely::serving
