#include "app/mqtt_url.hpp"

#include <algorithm>
#include <array>

#include "app/setting_parsers.hpp"
#include "app/values.hpp"
#include "base/http_message.hpp"
#include "base/utf8.hpp"

namespace famemely::app {
namespace {

struct Scheme {
  std::string_view name;
  BrokerProtocol protocol;
  std::uint16_t port;
};

constexpr std::array kSchemes{
    Scheme{"mqtt", BrokerProtocol::mqtt, 1883},
    Scheme{"mqtts", BrokerProtocol::mqtts, 8883},
    Scheme{"ws", BrokerProtocol::ws, 80},
    Scheme{"wss", BrokerProtocol::wss, 443},
};

const Scheme& scheme_of(BrokerProtocol protocol) { return *std::ranges::find(kSchemes, protocol, &Scheme::protocol); }

/// Takes what stands before `mark` off the text, and the mark; nothing if there is none.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == text.npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return taken;
}

std::optional<std::string> decode(std::string_view text) {
  auto decoded = percent_decode(text);
  if (!decoded || !is_utf8(*decoded) || decoded->contains('\0')) return std::nullopt;
  return decoded;
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
std::optional<std::string> read_host_and_port(std::string_view authority, MqttUrl& url) {
  std::string_view host = authority.substr(0, authority.find(':'));
  std::string_view rest = authority.substr(host.size());
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == authority.npos) return "the bracket of the address does not close";
    host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
    if (!host.contains(':')) return "brackets are for IPv6 addresses";
  }
  if (!is_host(host)) return "the host is missing or malformed";
  url.host = host;
  if (rest.empty()) return std::nullopt;
  const auto port = rest.starts_with(':') ? parse_number(rest.substr(1)) : std::nullopt;
  if (!port || *port == 0 || *port > 65535) return "the port must be a number from 1 to 65535";
  url.port = static_cast<std::uint16_t>(*port);
  return std::nullopt;
}

}  // namespace

Result<MqttUrl, std::string> parse_mqtt_url(std::string_view text) {
  MqttUrl url;
  const auto scheme = take_until(text, "://");
  const auto protocol = scheme ? parse_broker_protocol(lower_case(*scheme)) : std::nullopt;
  if (!protocol) return failure(std::string("it must begin with mqtt://, mqtts://, ws:// or wss://"));
  url.protocol = *protocol;
  const bool websocket = url.protocol == BrokerProtocol::ws || url.protocol == BrokerProtocol::wss;
  if (text.contains('#')) return failure(std::string("a fragment has no meaning in it"));
  if (text.contains('?') && !websocket) return failure(std::string("a query has a meaning only in ws:// and wss://"));

  const std::string_view authority = text.substr(0, text.find_first_of("/?"));
  const std::string_view path = text.substr(authority.size());
  std::string_view host_and_port = authority;
  if (const std::size_t at = authority.rfind('@'); at != authority.npos) {
    std::string_view password = authority.substr(0, at);
    host_and_port.remove_prefix(at + 1);
    const auto user_given = take_until(password, ":");
    const auto user = decode(user_given.value_or(password));
    const auto secret = decode(user_given ? password : "");
    if (!user || !secret || user->empty())
      return failure(std::string("user and password must be percent-encoded, and a password needs a user"));
    url.username = *user;
    url.password = *secret;
  }
  if (auto fault = read_host_and_port(host_and_port, url)) return failure(std::move(*fault));
  // One URL serves all four schemes, so a path is no error where nothing asks for one.
  if (path.size() > 1 && websocket) url.path = path.starts_with('?') ? "/" + std::string(path) : std::string(path);
  if (!url.path.empty() && !is_request_target(url.path))
    return failure(std::string("the path and the query must be percent-encoded"));
  return url;
}

std::optional<BrokerProtocol> parse_broker_protocol(std::string_view text) {
  const auto scheme = std::ranges::find(kSchemes, text, &Scheme::name);
  if (scheme == kSchemes.end()) return std::nullopt;
  return scheme->protocol;
}

std::string_view format_broker_protocol(BrokerProtocol protocol) { return scheme_of(protocol).name; }

std::uint16_t default_port(BrokerProtocol protocol) { return scheme_of(protocol).port; }

bool is_host(std::string_view text) {
  constexpr std::size_t kHostMax = 253;  // RFC 1035 section 2.3.4
  // An IPv6 address has at least two colons; one colon is the mark of a port.
  const auto colons = std::ranges::count(text, ':');
  return !text.empty() && text.size() <= kHostMax && colons != 1 && std::ranges::all_of(text, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '.' || letter == '-' || letter == '_' || letter == ':' || letter == '%';
  });
}

}  // namespace famemely::app
