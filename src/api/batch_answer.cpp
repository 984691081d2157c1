#include "api/batch_answer.hpp"

#include <fmt/format.h>

#include "api/json_views.hpp"
#include "base/json_text.hpp"

namespace famemely::api {

void BatchAnswer::note(std::size_t place, const std::optional<Error>& error, WallTime now) {
  results_[place] = error ? fmt::format("{{\"success\":false,\"statusCode\":{},\"message\":{}}}", error->status(),
                                        json_string(error->text()))
                          : with_success(published_json(topics_[place], now));
  if (error) all_published_ = false;
  --missing_;
}

std::string BatchAnswer::json() const {
  return fmt::format("{{\"success\":{},\"results\":[{}]}}", all_published_, fmt::join(results_, ","));
}

}  // namespace famemely::api
