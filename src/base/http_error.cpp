#include "base/http_error.hpp"

#include <fmt/format.h>

#include <string>

#include "base/json_text.hpp"
#include "base/utf8.hpp"

namespace famemely {
namespace {

HttpResponse respond(int status, std::string_view message_json) {
  HttpResponse response{.status = status, .fields = {}, .body = {}};
  response.fields.add("Content-Type", "application/json; charset=utf-8");
  response.body = fmt::format("{{\"statusCode\":{},\"message\":{},\"error\":{}}}", status, message_json,
                              json_string(reason_phrase(status)));
  return response;
}

}  // namespace

HttpResponse http_error(int status, std::string_view message) { return respond(status, json_string(as_utf8(message))); }

HttpResponse http_error(const Error& error) {
  if (error.details.empty()) return http_error(error.status(), error.message);
  std::string messages;
  for (const std::string& detail : error.details) messages += (messages.empty() ? "[" : ",") + json_string(detail);
  return respond(error.status(), messages + "]");
}

}  // namespace famemely
