#include "api/request_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "api/request_schema.hpp"
#include "base/utf8.hpp"

namespace famemely::api {
namespace {

/// `application/json`, or a type with that structure (`application/cloudevents+json`), in UTF-8.
bool is_json_type(std::string_view content_type) {
  const std::size_t semicolon = std::min(content_type.find(';'), content_type.size());
  std::string_view type = content_type.substr(0, semicolon);
  while (type.ends_with(' ')) type.remove_suffix(1);
  constexpr std::string_view kSuffix = "+json";
  const bool json =
      equals_ignoring_case(type, "application/json") ||
      (type.size() > kSuffix.size() && equals_ignoring_case(type.substr(type.size() - kSuffix.size()), kSuffix));
  std::string parameters(content_type.substr(semicolon));
  std::ranges::transform(parameters, parameters.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const bool other_charset = parameters.contains("charset=") && !parameters.contains("utf-8") &&
                             !parameters.contains("utf8") && !parameters.contains("us-ascii");
  return json && !other_charset;
}

std::string place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", line, before.size() - line_start + 1);
}

}  // namespace

Result<JsonView, Error> read_body(const HttpRequest& request) {
  if (request.body.empty()) return *JsonView::parse("{}");
  const std::string_view type = request.fields.value_or("Content-Type", "");
  if (!type.empty() && !is_json_type(type))
    return failure(Error{ErrorCode::unsupported_media_type,
                         fmt::format("Content-Type must be application/json in UTF-8, not {}", type)});
  if (!is_utf8(request.body))
    return failure(Error{
        ErrorCode::bad_request,
        fmt::format("Malformed JSON at {}: not UTF-8", place_of(request.body, well_formed_prefix(request.body)))});
  auto view = JsonView::parse(request.body);
  if (!view) {
    const JsonFault& fault = view.error();
    Error error{ErrorCode::bad_request,
                fmt::format("Malformed JSON at {}: {}", place_of(request.body, fault.offset), fault.what)};
    if (fault.too_deep) error.limit = Limit::json_depth;
    return failure(std::move(error));
  }
  if (view->kind() != JsonKind::object) return failure(validation_error("body must be a JSON object"));
  return *view;
}

}  // namespace famemely::api
