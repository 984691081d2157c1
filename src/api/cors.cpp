#include "api/cors.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/http_error.hpp"

namespace famemely::api {
namespace {

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kSecure = "https://";

/// `http://host:port` → `host:port`; empty if it is no web origin.
std::string_view authority_of(std::string_view origin) {
  for (const std::string_view scheme : {kPlain, kSecure})
    if (origin.starts_with(scheme)) return origin.substr(scheme.size());
  return {};
}

/// Without the port that goes without saying: React Native on Android leaves it in the origin.
std::string_view without_default_port(std::string_view authority, bool secure) {
  const std::string_view port = secure ? ":443" : ":80";
  if (authority.ends_with(port)) authority.remove_suffix(port.size());
  return authority;
}

bool is_own(const RequestSite& site) {
  const std::string_view authority = authority_of(site.origin);
  if (authority.empty()) return false;
  const bool secure = site.origin.starts_with(kSecure);
  if (site.secure && !secure) return false;
  return equals_ignoring_case(without_default_port(authority, secure), without_default_port(site.host, secure));
}

bool is_loopback(std::string_view authority) {
  const std::string_view host = authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1)
                                                           : authority.substr(0, authority.find(':'));
  const bool is_ipv4 = host.find_first_not_of("0123456789.") == host.npos;
  return host == "localhost" || host == "[::1]" || (is_ipv4 && host.starts_with("127.")) ||
         host.ends_with(".localhost");
}

}  // namespace

bool CorsPolicy::allows(const RequestSite& site) const {
  return is_own(site) || (any_loopback && is_loopback(authority_of(site.origin))) ||
         std::ranges::any_of(origins,
                             [&](const std::string& listed) { return listed == "*" || listed == site.origin; });
}

void CorsPolicy::decorate(HttpResponse& response, const RequestSite& site) const {
  const bool everybody = origins.size() == 1 && origins.front() == "*";
  if (!everybody) response.fields.add("Vary", "Origin");
  if (site.origin.empty() || !allows(site)) return;
  response.fields.add("Access-Control-Allow-Origin", everybody ? "*" : std::string(site.origin));
  if (!everybody) response.fields.add("Access-Control-Allow-Credentials", "true");
}

std::optional<HttpResponse> CorsPolicy::refuse_handshake(const RequestSite& site) const {
  if (site.origin.empty() || allows(site)) return std::nullopt;
  return http_error(403, fmt::format("Origin {} is not allowed: CORS_ORIGINS lists those that are", site.origin));
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
