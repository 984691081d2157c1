#pragma once

#include <string>
#include <utility>

#include "base/http_message.hpp"
#include "base/instant.hpp"
#include "gateway/worker.hpp"

namespace famemely::api {

/// The routes under `/mqtt`: health, and the answer to every unknown one.
class RestRoutes {
 public:
  RestRoutes(const gateway::Worker& worker, std::string version) : worker_(worker), version_(std::move(version)) {}

  [[nodiscard]] HttpResponse answer(const HttpRequest& request, Now now) const;

 private:
  [[nodiscard]] HttpResponse health(Now now, bool ready_asked) const;

  const gateway::Worker& worker_;
  std::string version_;
};

}  // namespace famemely::api
