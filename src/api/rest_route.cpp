#include "api/rest_route.hpp"

namespace famemely::api {

std::optional<RouteMatch> find_route(std::string_view method, std::string_view path) {
  if (method == "HEAD") method = "GET";
  const std::string_view bare = path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
  for (const Route& route : kRoutes) {
    if (route.method != method) continue;
    if (!route.takes_topic()) {
      if (route.path == bare) return RouteMatch{&route, {}};
      continue;
    }
    const std::string_view prefix = route.path.substr(0, route.path.rfind(':'));
    if (path.size() > prefix.size() && path.starts_with(prefix)) return RouteMatch{&route, path.substr(prefix.size())};
  }
  return std::nullopt;
}

}  // namespace famemely::api
