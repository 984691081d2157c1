#include "api/cors.hpp"

#include <algorithm>

namespace famemely::api {
namespace {

/// `http://host:port` → `host:port`; empty if it is no web origin.
std::string_view authority_of(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return origin.substr(scheme.size());
  return {};
}

bool is_loopback(std::string_view authority) {
  const std::string_view host = authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1)
                                                           : authority.substr(0, authority.find(':'));
  return host == "localhost" || host == "[::1]" || host.starts_with("127.") || host.ends_with(".localhost");
}

}  // namespace

bool CorsPolicy::allows(std::string_view origin, std::string_view host) const {
  const std::string_view authority = authority_of(origin);
  return (!authority.empty() && equals_ignoring_case(authority, host)) || (any_loopback && is_loopback(authority)) ||
         std::ranges::any_of(origins, [&](const std::string& listed) { return listed == "*" || listed == origin; });
}

void CorsPolicy::decorate(HttpResponse& response, std::string_view origin, std::string_view host) const {
  const bool everybody = origins.size() == 1 && origins.front() == "*";
  if (!everybody) response.fields.add("Vary", "Origin");
  if (origin.empty() || !allows(origin, host)) return;
  response.fields.add("Access-Control-Allow-Origin", everybody ? "*" : std::string(origin));
  if (!everybody) response.fields.add("Access-Control-Allow-Credentials", "true");
}

HttpResponse CorsPolicy::preflight(const HttpRequest& request) {
  HttpResponse response{.status = 204, .fields = {}, .body = {}};
  response.fields.add("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
  const std::string_view headers = request.fields.value_or("Access-Control-Request-Headers", "");
  if (!headers.empty()) response.fields.add("Access-Control-Allow-Headers", std::string(headers));
  response.fields.add("Access-Control-Max-Age", "600");
  return response;
}

}  // namespace famemely::api
