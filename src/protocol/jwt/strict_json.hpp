#pragma once

#include <string>
#include <string_view>

#include "base/json_text.hpp"
#include "base/result.hpp"

namespace famemely::jwt {

/// A JSON object of which no two readers can think differently: UTF-8, no member twice in any object of it (RFC 8725
/// section 2.4), and nested no deeper than any issuer does, which keeps that check cheap. `what` is the subject of the
/// fault: "the header". The view is of `text`.
[[nodiscard]] Result<JsonView, std::string> parse_strict_object(std::string_view text, std::string_view what);

}  // namespace famemely::jwt
