#include "socketio/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace famemely::socketio {

bool Values::unambiguous() const {
  return attachments_.empty() || std::ranges::none_of(foreign_, looks_like_placeholder);
}

void Values::append_json(const Json& json) {
  json_ += json.text;
  foreign_.push_back(json.text);
}

void Values::append_binary(std::string_view bytes) {
  append_placeholder(json_, attachments_.size());
  attachments_.emplace_back(bytes);
}

// JSON has no NaN and no infinity; JavaScript writes null for them too.
void Values::append_number(double number) { json_ += std::isfinite(number) ? fmt::format("{}", number) : "null"; }

Frame encode_event(std::string_view nsp, std::string_view name, const Values& values, bool compress,
                   std::optional<std::uint32_t> ack_id) {
  const Frame frame = make_event_frame(nsp, name, values.json(), values.attachment_views(), ack_id);
  return compress ? frame : frame.uncompressed();
}

}  // namespace famemely::socketio
