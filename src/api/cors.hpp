#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.hpp"

namespace famemely::api {

/// Which web pages may call (Fetch standard, section "CORS protocol").
struct CorsPolicy {
  std::vector<std::string> origins;  // exact ones, or the single element `*`
  bool any_loopback = false;         // `--dev`: any page served from this machine

  /// An origin is allowed if it is listed, or is the request's own host.
  [[nodiscard]] bool allows(std::string_view origin, std::string_view host) const;
  /// Adds the headers that let a browser show the response to the page. Nothing without an origin, or for one that is
  /// not allowed.
  void decorate(HttpResponse& response, std::string_view origin, std::string_view host) const;
  /// The answer to OPTIONS, before `decorate`.
  [[nodiscard]] static HttpResponse preflight(const HttpRequest& request);
};

}  // namespace famemely::api
