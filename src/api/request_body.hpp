#pragma once

#include "base/error.hpp"
#include "base/http_message.hpp"
#include "base/json_text.hpp"
#include "base/result.hpp"

namespace famemely::api {

/// The body as a JSON object: 415 if it is declared as something else, 400 if it is none, and where it is wrong. No
/// body at all is an empty object, whose missing members are then told. The view is of the request, or of a constant.
[[nodiscard]] Result<JsonView, Error> read_body(const HttpRequest& request);

}  // namespace famemely::api
