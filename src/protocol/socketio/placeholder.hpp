#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json_text.hpp"

namespace famemely::socketio {

/// In the JSON of a binary event, `{"_placeholder":true,"num":N}` stands where attachment N belongs (Socket.IO protocol
/// 5, "Sending and receiving binary data"). Clients take any object for one whose `_placeholder` is `true`.

/// What the `num` members of all placeholders in a checked JSON text say, in the order of the objects' ends; nothing
/// where one is not a whole number from 0 on.
[[nodiscard]] std::vector<std::optional<std::size_t>> placeholders_in(std::string_view json);

/// The attachment that this one value stands for, if it is a placeholder.
[[nodiscard]] std::optional<std::size_t> placeholder_of(const JsonView& value);

}  // namespace famemely::socketio
