#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json_text.hpp"
#include "protocol/socketio/encoder.hpp"

namespace famemely::socketio {

/// A JSON text that goes out as it stands. It must be valid.
struct Json {
  std::string text;
};
/// Bytes that the client gets as an attachment (a Buffer, an ArrayBuffer).
struct Binary {
  std::string_view bytes;
};

/// The values of an event or an acknowledgement, ready to be sent: JSON texts with commas between, and attachments.
class Values {
 public:
  Values() = default;
  /// Values that came from a client, passed on as they are: with the placeholders of their attachments.
  Values(std::string json, std::vector<std::string> attachments)
      : json_(std::move(json)), attachments_(std::move(attachments)) {}

  template <typename Value>
  void add(const Value& value) {
    if (!json_.empty()) json_.push_back(',');
    append(value);
  }

  [[nodiscard]] const std::string& json() const { return json_; }
  [[nodiscard]] const std::vector<std::string>& attachments() const { return attachments_; }
  /// What `make_event_frame` takes.
  [[nodiscard]] std::vector<std::string_view> attachment_views() const {
    return {attachments_.begin(), attachments_.end()};
  }
  /// False if a `Json` beside attachments holds an object that clients would take for an attachment.
  [[nodiscard]] bool unambiguous() const;

 private:
  template <typename Value>
  void append(const Value& value);
  void append_text(std::string_view text) { append_json_string(json_, text); }
  void append_json(const Json& json);
  void append_binary(std::string_view bytes);
  void append_number(double number);

  std::string json_;
  std::vector<std::string> attachments_;
  std::vector<std::string> foreign_;  // the texts of every `Json`
};

namespace detail {
template <typename>
inline constexpr bool kIsOptional = false;
template <typename Value>
inline constexpr bool kIsOptional<std::optional<Value>> = true;
template <typename>
inline constexpr bool kIsList = false;
template <typename Value>
inline constexpr bool kIsList<std::vector<Value>> = true;
template <typename>
inline constexpr bool kIsMap = false;
template <typename Value>
inline constexpr bool kIsMap<std::map<std::string, Value>> = true;
template <typename>
inline constexpr bool kUnsupported = false;
}  // namespace detail

/// Texts, numbers, booleans, `nullptr`, Json, Binary, and optionals, vectors and maps of these.
template <typename... Value>
[[nodiscard]] Values values(const Value&... value) {
  Values all;
  (all.add(value), ...);
  return all;
}

/// The event, encoded. Whoever gets it must take the values' being unambiguous for granted.
[[nodiscard]] Frame encode_event(std::string_view nsp, std::string_view name, const Values& values,
                                 bool compress = true, std::optional<std::uint32_t> ack_id = std::nullopt);

template <typename Value>
void Values::append(const Value& value) {
  if constexpr (std::is_same_v<Value, bool>) {
    json_ += value ? "true" : "false";
  } else if constexpr (std::is_null_pointer_v<Value>) {
    json_ += "null";
  } else if constexpr (std::is_same_v<Value, Json>) {
    append_json(value);
  } else if constexpr (std::is_same_v<Value, JsonView>) {
    append_json(Json{std::string(value.raw())});
  } else if constexpr (std::is_same_v<Value, Binary>) {
    append_binary(value.bytes);
  } else if constexpr (std::convertible_to<Value, std::string_view>) {
    append_text(value);
  } else if constexpr (std::is_integral_v<Value>) {
    json_ += std::to_string(value);
  } else if constexpr (std::is_floating_point_v<Value>) {
    append_number(static_cast<double>(value));
  } else if constexpr (detail::kIsOptional<Value>) {
    if (value)
      append(*value);
    else
      json_ += "null";
  } else if constexpr (detail::kIsList<Value>) {
    json_.push_back('[');
    bool first = true;
    for (const auto& element : value) {
      if (!std::exchange(first, false)) json_.push_back(',');
      append(element);
    }
    json_.push_back(']');
  } else if constexpr (detail::kIsMap<Value>) {
    json_.push_back('{');
    bool first = true;
    for (const auto& [key, element] : value) {
      if (!std::exchange(first, false)) json_.push_back(',');
      append_text(key);
      json_.push_back(':');
      append(element);
    }
    json_.push_back('}');
  } else {
    static_assert(detail::kUnsupported<Value>, "write it as Json{text}");
  }
}

}  // namespace famemely::socketio
