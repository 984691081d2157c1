#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/mqtt/session.hpp"

using namespace famemely;
using namespace famemely::mqtt;

namespace {

constexpr std::size_t kPacketBytesMax = 512;

/// What a session says of a stream: its output, and its events in short.
struct Account {
  std::string output;
  std::string events;
};

void note(const SessionEvent& event, std::string& events) {
  events += static_cast<char>('A' + event.index());
  if (const auto* message = std::get_if<MessageReceived>(&event)) {
    events.append(message->topic).append("=").append(message->payload);
    for (const UserPropertyView& property : message->properties.user_properties)
      events.append(property.name).append(property.value);
    for (std::uint32_t identifier : message->subscription_identifiers) events += std::to_string(identifier);
  }
  if (const auto* completed = std::get_if<PublishCompleted>(&event)) events += std::to_string(completed->token);
  events += ';';
}

/// Publishes at each QoS, gets the stream in pieces, acknowledges every message, loses the connection twice.
Account run(std::string_view stream, std::size_t piece, VersionChoice version) {
  Session session({.client_id = "f", .version = version, .packet_bytes_max = kPacketBytesMax});
  Effects effects;
  Account account;
  const Instant now{std::chrono::hours(1)};
  const auto drain = [&](bool acknowledge) {
    for (std::size_t i = 0; i < effects.events.size(); ++i) note(effects.events[i], account.events);
    if (acknowledge)
      for (std::size_t i = 0; i < effects.events.size(); ++i)
        if (const auto* message = std::get_if<MessageReceived>(&effects.events[i]))
          session.acknowledge(message->acknowledgement, now, effects);
    account.output += effects.output;
    effects.clear();
  };
  for (int connection = 0; connection < 3; ++connection) {
    session.on_transport_open(now, effects);
    const bool is_5 = session.version() == ProtocolVersion::v5;
    const char present = connection > 0 ? '\x01' : '\x00';
    session.on_bytes(std::string{'\x20', is_5 ? '\x03' : '\x02', present, '\0'} + std::string(is_5 ? 1 : 0, '\0'), now,
                     effects);
    for (std::uint8_t qos = 0; qos < 3; ++qos)
      static_cast<void>(
          session.publish({.token = qos, .topic = *TopicName::parse("t"), .payload = "p", .qos = qos}, now, effects));
    drain(false);
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      session.on_bytes(stream.substr(at, piece), now, effects);
      drain(false);
    }
    session.on_transport_closed(now, effects);
    drain(true);
  }
  return account;
}

}  // namespace

/// However the stream is cut, a session says the same of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const VersionChoice version = data[0] % 2 != 0 ? VersionChoice::only_5 : VersionChoice::only_3_1_1;
  const std::size_t piece = 1 + data[1] % 16;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Account whole = run(stream, stream.size() + 1, version);
  const Account split = run(stream, piece, version);
  if (whole.output != split.output || whole.events != split.events) std::abort();
  return 0;
}
