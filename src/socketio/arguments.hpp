#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json_text.hpp"
#include "base/result.hpp"
#include "socketio/values.hpp"

namespace famemely::socketio {

/// An argument that is not what was asked for.
struct ArgumentError {
  std::size_t index;     // from 0 on
  std::string expected;  // `a string`
  std::string actual;    // `the number 12`, `nothing`

  /// `argument 1: expected a string, got the number 12`, counted from 1 on.
  [[nodiscard]] std::string text() const;
};

/// What came with an event or an acknowledgement, each argument as the JSON text that was sent.
class Arguments {
 public:
  Arguments() = default;
  Arguments(std::vector<std::string> args, std::vector<std::string> attachments)
      : args_(std::move(args)), attachments_(std::move(attachments)) {}

  [[nodiscard]] std::size_t size() const { return args_.size(); }
  [[nodiscard]] bool empty() const { return args_.empty(); }

  /// The argument as a `bool`, an integer (whole and in range), `double`, `std::string`, `JsonView` (anything),
  /// `Binary` (an attachment), a vector of these, or an optional (nothing if it is missing or null). Views are valid as
  /// long as the arguments are.
  template <typename Value>
  [[nodiscard]] Result<Value, ArgumentError> get(std::size_t index) const;

  /// The JSON text of an argument, as sent; empty if it is missing.
  [[nodiscard]] std::string_view raw(std::size_t index) const {
    return index < args_.size() ? std::string_view(args_[index]) : std::string_view();
  }
  /// The bytes that a value inside an argument stands for; nothing if it is no attachment.
  [[nodiscard]] std::optional<std::string_view> attachment(const JsonView& value) const;

  /// All of them, attachments included, to be sent on as they came.
  [[nodiscard]] Values pass_on() const;

 private:
  template <typename Value>
  [[nodiscard]] std::optional<Value> read(const JsonView& view) const;
  [[nodiscard]] ArgumentError error(std::size_t index, std::string expected) const;

  std::vector<std::string> args_;
  std::vector<std::string> attachments_;
};

namespace detail {

template <typename Value>
std::string expectation() {
  if constexpr (std::is_same_v<Value, bool>)
    return "true or false";
  else if constexpr (std::is_same_v<Value, std::string>)
    return "a string";
  else if constexpr (std::is_same_v<Value, JsonView>)
    return "a value";
  else if constexpr (std::is_same_v<Value, Binary>)
    return "binary data";
  else if constexpr (std::is_floating_point_v<Value>)
    return "a number";
  else if constexpr (std::is_integral_v<Value>)
    return "a whole number from " + std::to_string(std::numeric_limits<Value>::min()) + " to " +
           std::to_string(std::numeric_limits<Value>::max());
  else if constexpr (kIsOptional<Value>)
    return expectation<typename Value::value_type>() + ", null or nothing";
  else
    return "an array, each element " + expectation<typename Value::value_type>();
}

}  // namespace detail

template <typename Value>
std::optional<Value> Arguments::read(const JsonView& view) const {
  if constexpr (std::is_same_v<Value, bool>) {
    return view.as_boolean();
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return view.as_string();
  } else if constexpr (std::is_same_v<Value, JsonView>) {
    return view;
  } else if constexpr (std::is_same_v<Value, Binary>) {
    const auto bytes = attachment(view);
    return bytes ? std::optional(Binary{*bytes}) : std::nullopt;
  } else if constexpr (std::is_floating_point_v<Value>) {
    const auto number = view.as_number();
    return number ? std::optional(static_cast<Value>(*number)) : std::nullopt;
  } else if constexpr (std::is_integral_v<Value>) {
    static_assert(std::is_signed_v<Value> || sizeof(Value) < sizeof(std::int64_t), "std::int64_t holds all of them");
    const auto number = view.as_integer();
    if (!number || *number < std::int64_t{std::numeric_limits<Value>::min()} ||
        *number > std::int64_t{std::numeric_limits<Value>::max()})
      return std::nullopt;
    return static_cast<Value>(*number);
  } else if constexpr (detail::kIsList<Value>) {
    if (view.kind() != JsonKind::array) return std::nullopt;
    Value all;
    for (const JsonView& element : view.elements()) {
      auto one = read<typename Value::value_type>(element);
      if (!one) return std::nullopt;
      all.push_back(*std::move(one));
    }
    return all;
  } else {
    static_assert(detail::kUnsupported<Value>, "read it as JsonView");
  }
}

template <typename Value>
Result<Value, ArgumentError> Arguments::get(std::size_t index) const {
  const auto view = index < args_.size() ? JsonView::parse(args_[index]) : failure(JsonFault{0, ""});
  if constexpr (detail::kIsOptional<Value>) {
    if (!view || view->is_null()) return Value();
    if (Value value = read<typename Value::value_type>(*view)) return value;
  } else if (view) {
    if (auto value = read<Value>(*view)) return *std::move(value);
  }
  return failure(error(index, detail::expectation<Value>()));
}

}  // namespace famemely::socketio
