#include "api/rest_routes.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "api/json_views.hpp"

namespace famemely::api {
namespace {

HttpResponse json_response(int status, std::string body) {
  HttpResponse response{.status = status, .fields = {}, .body = std::move(body)};
  response.fields.add("Content-Type", "application/json; charset=utf-8");
  return response;
}

}  // namespace

HttpResponse RestRoutes::answer(const HttpRequest& request, Now now) const {
  if (request.method == "GET" || request.method == "HEAD") {
    if (request.path() == "/mqtt/health") return health(now, false);
    if (request.path() == "/mqtt/health/ready") return health(now, true);
  }
  return json_response(
      404, http_error_json(Error{ErrorCode::not_found, fmt::format("Cannot {} {}", request.method, request.path())}));
}

HttpResponse RestRoutes::health(Now now, bool ready_asked) const {
  const bool connected = worker_.link_status().is_connected;
  HttpResponse response =
      json_response(connected || !ready_asked ? 200 : 503,
                    fmt::format(R"({{"status":"{}","service":"mqtt","timestamp":"{}","version":"{}","broker":"{}"}})",
                                connected ? "ok" : "degraded", to_iso8601(now.wall), version_,
                                connected ? "connected" : "disconnected"));
  response.fields.add("Cache-Control", "no-store");
  return response;
}

}  // namespace famemely::api
