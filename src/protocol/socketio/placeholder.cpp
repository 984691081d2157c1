#include "protocol/socketio/placeholder.hpp"

#include <string>

namespace famemely::socketio {
namespace {

constexpr std::string_view kMark = "_placeholder";

std::optional<std::size_t> index_in(const JsonView& number) {
  const auto value = number.kind() == JsonKind::number ? number.as_integer() : std::nullopt;
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::size_t>(*value);
}

std::optional<std::size_t> index_in(std::string_view raw) {
  const auto view = JsonView::parse(raw);
  return view ? index_in(*view) : std::nullopt;
}

/// The position after the string that begins here.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; json[at] != '"'; ++at)
    if (json[at] == '\\') ++at;
  return at + 1;
}

std::string key_text(std::string_view raw) {
  if (raw.find('\\') == std::string_view::npos) return std::string(raw.substr(1, raw.size() - 2));
  const auto view = JsonView::parse(raw);
  return view ? view->as_string().value_or("") : "";
}

/// An object or array that is open; its nesting is kept in a vector, as remote input must not drive a recursion.
struct Level {
  bool object;
  bool marked = false;
  std::optional<std::size_t> num{};
  enum class Key { other, mark, num } key = Key::other;
};

}  // namespace

std::vector<std::optional<std::size_t>> placeholders_in(std::string_view json) {
  std::vector<std::optional<std::size_t>> found;
  // Without the name, escaped or not, there is nothing to look for.
  if (json.find(kMark) == std::string_view::npos && json.find("\\u") == std::string_view::npos) return found;

  std::vector<Level> open;
  bool key_due = false;
  const auto take_value = [&](std::string_view raw) {
    if (open.empty() || !open.back().object) return;
    Level& level = open.back();
    if (level.key == Level::Key::mark) level.marked = raw == "true";  // of members of one name the last one counts
    if (level.key == Level::Key::num) level.num = index_in(raw);
  };
  std::size_t at = 0;
  while (at < json.size()) {
    switch (json[at]) {
      case '{':
      case '[':
        take_value({});
        open.push_back({json[at] == '{'});
        key_due = json[at] == '{';
        ++at;
        break;
      case '}':
        if (open.back().marked) found.push_back(open.back().num);
        [[fallthrough]];
      case ']':
        open.pop_back();
        key_due = false;
        ++at;
        break;
      case ',':
        key_due = !open.empty() && open.back().object;
        ++at;
        break;
      case ':':
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        ++at;
        break;
      case '"': {
        const std::size_t end = end_of_string(json, at);
        const std::string_view raw = json.substr(at, end - at);
        if (key_due) {
          const std::string key = key_text(raw);
          open.back().key = key == kMark ? Level::Key::mark : key == "num" ? Level::Key::num : Level::Key::other;
          key_due = false;
        } else {
          take_value(raw);
        }
        at = end;
        break;
      }
      default: {
        const std::size_t end = std::min(json.find_first_of(",]} \t\n\r", at), json.size());
        take_value(json.substr(at, end - at));
        at = end;
      }
    }
  }
  return found;
}

std::optional<std::size_t> placeholder_of(const JsonView& value) {
  if (value.kind() != JsonKind::object) return std::nullopt;
  const auto mark = value.find(kMark);
  if (!mark || mark->as_boolean() != true) return std::nullopt;
  const auto num = value.find("num");
  return num ? index_in(*num) : std::nullopt;
}

}  // namespace famemely::socketio
