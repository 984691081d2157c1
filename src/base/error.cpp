#include "base/error.hpp"

#include <array>

namespace famemely {
namespace {

struct Row {
  ErrorCode code;
  int status;
  std::string_view reason;
};

constexpr std::array kCatalogue{
    Row{ErrorCode::bad_request, 400, "Bad Request"},
    Row{ErrorCode::unauthorized, 401, "Unauthorized"},
    Row{ErrorCode::forbidden, 403, "Forbidden"},
    Row{ErrorCode::not_found, 404, "Not Found"},
    Row{ErrorCode::payload_too_large, 413, "Payload Too Large"},
    Row{ErrorCode::unsupported_media_type, 415, "Unsupported Media Type"},
    Row{ErrorCode::too_many_requests, 429, "Too Many Requests"},
    Row{ErrorCode::internal, 500, "Internal Server Error"},
    Row{ErrorCode::broker_refused, 502, "Bad Gateway"},
    Row{ErrorCode::unavailable, 503, "Service Unavailable"},
    Row{ErrorCode::broker_timeout, 504, "Gateway Timeout"},
};

constexpr bool rows_follow_the_enumeration() {
  for (std::size_t i = 0; i < kCatalogue.size(); ++i)
    if (kCatalogue[i].code != static_cast<ErrorCode>(i)) return false;
  return true;
}
static_assert(rows_follow_the_enumeration());

const Row& row(ErrorCode code) { return kCatalogue[static_cast<std::size_t>(code)]; }

}  // namespace

int Error::status() const { return row(code).status; }

std::string_view Error::reason() const { return row(code).reason; }

std::string Error::text() const {
  if (details.empty()) return message;
  std::string joined;
  for (const std::string& detail : details) {
    if (!joined.empty()) joined += "; ";
    joined += detail;
  }
  return joined;
}

}  // namespace famemely
