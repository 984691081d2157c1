#include "gateway/fence_topics.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "base/utf8.hpp"
#include "protocol/jwt/digest.hpp"
#include "protocol/mqtt/topic_text.hpp"

namespace famemely::gateway {
namespace {

/// Wildcards, also that of AMQP, for which RabbitMQ takes it; and the mark of what is escaped.
constexpr std::string_view kEscaped = "+#*%";

/// What can't stand in a topic, as `%` and two digits a byte. The text must be UTF-8.
std::string escape(std::string_view text) {
  std::string escaped;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    (void)next_code_point(text, at);
    const std::string_view character = text.substr(begin, at - begin);
    if (kEscaped.find(character) == kEscaped.npos && !mqtt::fault_of_topic_text(character))
      escaped += character;
    else
      for (const char byte : character) escaped += fmt::format("%{:02X}", static_cast<std::uint8_t>(byte));
  }
  return escaped;
}

FenceTopics topics_with(std::string_view name) {
  return {fmt::format("$famemely/{}/fence", name), fmt::format("{}{}", kFallbackFences, name)};
}

}  // namespace

FenceTopics FenceTopics::of(std::string_view client_id) {
  if (is_utf8(client_id)) {
    FenceTopics topics = topics_with(escape(client_id));
    // The other one is shorter, and has as many levels.
    if (!mqtt::fault_of_topic_size(topics.own, {})) return topics;
  }
  // No escaped client id begins so: two digits follow a `%` there.
  return topics_with("%sha256-" + jwt::to_hex(jwt::sha256(client_id)));
}

}  // namespace famemely::gateway
