#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace famemely {

/// Deeper nesting than this is refused (or, for payloads from the broker, taken as plain text).
inline constexpr int kJsonDepthMax = 512;

struct JsonFault {
  std::size_t offset;  // bytes from the start of the text
  std::string what;
  bool too_deep = false;
  bool operator==(const JsonFault&) const = default;
};

/// Checks that the text is one JSON value (RFC 8259) and nothing else, without building it. Numbers of any size pass:
/// their digits are the client's business. Bytes above 0x7F inside strings are not looked at; whoever reads the text
/// checks its UTF-8.
[[nodiscard]] std::optional<JsonFault> check_json(std::string_view text, int depth_max = kJsonDepthMax);

enum class JsonKind { null, boolean, number, string, array, object };

/// A view of one value inside a JSON text that has been checked: it reads what is asked for and leaves the rest as
/// text, so that a payload passes through with every digit. Valid as long as the text is.
class JsonView {
 public:
  /// Checks the text; the view is of its one value.
  [[nodiscard]] static Result<JsonView, JsonFault> parse(std::string_view text, int depth_max = kJsonDepthMax);

  [[nodiscard]] JsonKind kind() const;
  /// The value's own text, without surrounding white space.
  [[nodiscard]] std::string_view raw() const { return raw_; }

  [[nodiscard]] bool is_null() const { return kind() == JsonKind::null; }
  [[nodiscard]] std::optional<bool> as_boolean() const;
  [[nodiscard]] std::optional<double> as_number() const;
  /// Numbers without a fractional part that fit, however they are written (`1`, `1.0`, `1e0`).
  [[nodiscard]] std::optional<std::int64_t> as_integer() const;
  /// Escapes undone. A lone surrogate escape becomes U+FFFD, as in every browser's UTF-8 encoder.
  [[nodiscard]] std::optional<std::string> as_string() const;
  /// True for a string with such an escape: it is no text, and has no UTF-8.
  [[nodiscard]] bool has_lone_surrogate() const;

  /// The elements of an array; empty for any other kind.
  [[nodiscard]] std::vector<JsonView> elements() const;
  /// The members of an object in their order, keys decoded; empty for any other kind.
  [[nodiscard]] std::vector<std::pair<std::string, JsonView>> members() const;
  /// The last member of that name, as JavaScript would have it.
  [[nodiscard]] std::optional<JsonView> find(std::string_view key) const;

 private:
  explicit JsonView(std::string_view raw) : raw_(raw) {}

  std::string_view raw_;
};

/// Appends the text as a JSON string, quotes included. The text must be UTF-8.
void append_json_string(std::string& out, std::string_view text);
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace famemely
