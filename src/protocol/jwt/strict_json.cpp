#include "protocol/jwt/strict_json.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/utf8.hpp"

namespace famemely::jwt {
namespace {

constexpr int kDepthMax = 64;

/// The name of a member that stands twice in one object, wherever it is.
std::optional<std::string> repeated_member(JsonView root) {
  std::vector<JsonView> open{root};
  while (!open.empty()) {
    const JsonView view = open.back();
    open.pop_back();
    std::vector<std::string> names;
    for (auto& [name, value] : view.members()) {
      names.push_back(name);
      open.push_back(value);
    }
    for (const JsonView& element : view.elements()) open.push_back(element);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) return *twice;
  }
  return std::nullopt;
}

}  // namespace

Result<JsonView, std::string> parse_strict_object(std::string_view text, std::string_view what) {
  const std::string subject(what);
  if (!is_utf8(text)) return failure(subject + " is not UTF-8");
  auto view = JsonView::parse(text, kDepthMax);
  if (!view) return failure(subject + " is not valid JSON: " + view.error().what);
  if (view->kind() != JsonKind::object) return failure(subject + " is not a JSON object");
  if (auto name = repeated_member(*view)) return failure(subject + " has " + *name + " twice");
  return *view;
}

}  // namespace famemely::jwt
