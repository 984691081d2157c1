#include "gateway/server_redirects.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace famemely::gateway {
namespace {

bool is_host(std::string_view text) {
  constexpr std::size_t kHostMax = 253;  // RFC 1035 section 2.3.4
  return !text.empty() && text.size() <= kHostMax && std::ranges::all_of(text, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '.' || letter == '-' || letter == '_' || letter == ':' || letter == '%';
  });
}

}  // namespace

std::optional<ServerReference> parse_server_reference(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find(' '));
  std::string_view host = text;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == text.npos) return std::nullopt;
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!host.contains(':')) return std::nullopt;
  } else if (std::ranges::count(text, ':') == 1) {  // an IPv6 address has more
    host = text.substr(0, text.find(':'));
    rest = text.substr(host.size());
  }
  if (!is_host(host)) return std::nullopt;
  ServerReference reference{.host = std::string(host), .port = std::nullopt};
  if (rest.empty()) return reference;
  std::uint16_t port = 0;
  const auto [end, fault] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
  if (!rest.starts_with(':') || fault != std::errc{} || end != rest.data() + rest.size() || port == 0)
    return std::nullopt;
  reference.port = port;
  return reference;
}

void ServerRedirects::note(std::optional<mqtt::ReasonCode> code, const std::string& reference, Logger& logger) {
  const bool moved = code == mqtt::ReasonCode::server_moved;
  if ((!moved && code != mqtt::ReasonCode::use_another_server) || reference.empty()) return;
  const auto server = parse_server_reference(reference);
  if (!server)
    return logger.warn("broker redirect not followed", {{"server", reference}, {"why", "it is no host or host:port"}});
  if (target_ && !accepted_)
    return logger.warn("broker redirect not followed", {{"server", reference}, {"why", "this server is one already"}});
  noted_ = Redirect{*server, moved};
  logger.info("broker redirect", {{"server", reference}, {"moved", moved}});
}

void ServerRedirects::on_over(bool same_again) {
  const bool keep = same_again || (moved_ && accepted_);
  accepted_ = false;
  if (const auto redirect = std::exchange(noted_, std::nullopt)) {
    target_ = redirect->server;
    moved_ = redirect->moved;
  } else if (!keep) {
    target_.reset();
    moved_ = false;
  }
}

}  // namespace famemely::gateway
