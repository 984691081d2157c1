#include "protocol/socketio/effects.hpp"

#include "protocol/socketio/placeholder.hpp"

namespace famemely::socketio {
namespace {

std::optional<std::string_view> attachment_in(const std::vector<std::string>& attachments, const JsonView& value) {
  if (attachments.empty()) return std::nullopt;
  const auto index = placeholder_of(value);
  if (!index || *index >= attachments.size()) return std::nullopt;
  return attachments[*index];
}

}  // namespace

std::string_view to_string(Transport transport) { return transport == Transport::polling ? "polling" : "websocket"; }

std::string_view to_string(DisconnectReason reason) {
  switch (reason) {
    case DisconnectReason::client_namespace_disconnect:
      return "client namespace disconnect";
    case DisconnectReason::server_namespace_disconnect:
      return "server namespace disconnect";
    case DisconnectReason::transport_close:
      return "transport close";
    case DisconnectReason::transport_error:
      return "transport error";
    case DisconnectReason::ping_timeout:
      return "ping timeout";
    case DisconnectReason::parse_error:
      return "parse error";
    case DisconnectReason::forced_close:
      return "forced close";
    case DisconnectReason::server_shutting_down:
      return "server shutting down";
    case DisconnectReason::slow_consumer:
      return "slow consumer";
    case DisconnectReason::token_expired:
      return "token expired";
  }
  return "";
}

bool is_recoverable(DisconnectReason reason) {
  switch (reason) {
    case DisconnectReason::client_namespace_disconnect:
    case DisconnectReason::server_namespace_disconnect:
    case DisconnectReason::parse_error:
      return false;
    case DisconnectReason::transport_close:
    case DisconnectReason::transport_error:
    case DisconnectReason::ping_timeout:
    case DisconnectReason::forced_close:
    case DisconnectReason::server_shutting_down:
    case DisconnectReason::slow_consumer:
    case DisconnectReason::token_expired:
      return true;
  }
  return false;
}

std::optional<std::string_view> EventReceived::attachment(const JsonView& value) const {
  return attachment_in(attachments, value);
}

std::optional<std::string_view> AckReceived::attachment(const JsonView& value) const {
  return attachment_in(attachments, value);
}

}  // namespace famemely::socketio
