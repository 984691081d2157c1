#include "socketio/arguments.hpp"

#include "protocol/socketio/placeholder.hpp"

namespace famemely::socketio {
namespace {

/// What is quoted of a peer's text, so that an error stays readable.
constexpr std::size_t kQuotedMax = 40;

std::string quoted(std::string_view raw) {
  return raw.size() <= kQuotedMax ? " " + std::string(raw) : " of " + std::to_string(raw.size()) + " bytes";
}

std::string describe(const JsonView& view) {
  switch (view.kind()) {
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return std::string(view.raw());
    case JsonKind::number:
      return "the number" + quoted(view.raw());
    case JsonKind::string:
      return "the string" + quoted(view.raw());
    case JsonKind::array:
      return "an array";
    case JsonKind::object:
      return "an object";
  }
  return "";
}

}  // namespace

std::string ArgumentError::text() const {
  return "argument " + std::to_string(index + 1) + ": expected " + expected + ", got " + actual;
}

std::optional<std::string_view> Arguments::attachment(const JsonView& value) const {
  if (attachments_.empty()) return std::nullopt;
  const auto index = placeholder_of(value);
  if (!index || *index >= attachments_.size()) return std::nullopt;
  return attachments_[*index];
}

Values Arguments::pass_on() const {
  std::string json;
  for (const std::string& arg : args_) {
    if (!json.empty()) json.push_back(',');
    json += arg;
  }
  return {std::move(json), attachments_};
}

ArgumentError Arguments::error(std::size_t index, std::string expected) const {
  const auto view = index < args_.size() ? JsonView::parse(args_[index]) : failure(JsonFault{0, ""});
  if (!view) return {index, std::move(expected), "nothing"};
  return {index, std::move(expected), attachment(*view) ? "binary data" : describe(*view)};
}

}  // namespace famemely::socketio
