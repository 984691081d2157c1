#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/http_message.hpp"

namespace famemely {

/// A refusal over HTTP: `{"statusCode":n,"message":string,"error":"Reason Phrase"}`, as NestJS answers. Bytes of the
/// message that are not UTF-8 are replaced: it may name what came in a request line or a header field.
[[nodiscard]] HttpResponse http_error(int status, std::string_view message);
/// The same for an error; `message` is an array of strings if it has details.
[[nodiscard]] HttpResponse http_error(const Error& error);

}  // namespace famemely
