#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.hpp"

namespace famemely::api {

/// Which web pages may call (Fetch standard, section "CORS protocol").
struct CorsPolicy {
  std::vector<std::string> origins;  // exact ones, or the single element `*`
  bool any_loopback = false;         // `--dev`: any page served from this machine

  /// An origin is allowed if it is listed, or is the request's own host. Over TLS that means the page came over TLS,
  /// too; otherwise both will do, because a proxy that ends TLS need not say so.
  [[nodiscard]] bool allows(const RequestSite& site) const;
  /// Adds the headers that let a browser show the response to the page. Nothing without an origin, or for one that is
  /// not allowed.
  void decorate(HttpResponse& response, const RequestSite& site) const;
  /// The 403 for a WebSocket of a page that is not allowed. Who sends no origin is no browser, and may try.
  [[nodiscard]] std::optional<HttpResponse> refuse_handshake(const RequestSite& site) const;
  /// The answer to OPTIONS, before `decorate`.
  [[nodiscard]] static HttpResponse preflight(const HttpRequest& request);
};

}  // namespace famemely::api
