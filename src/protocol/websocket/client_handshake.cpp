#include "protocol/websocket/client_handshake.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/base64.hpp"
#include "protocol/websocket/handshake.hpp"

namespace famemely::websocket {
namespace {

constexpr std::size_t kKeyBytes = 16;

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           kMarks.contains(letter);
  });
}

/// A peer's text goes into logs and to clients only if it is short and plain.
bool is_presentable(std::string_view text) {
  constexpr std::size_t kBytesMax = 200;
  return !text.empty() && text.size() <= kBytesMax &&
         std::ranges::all_of(text, [](char letter) { return letter >= ' ' && letter <= '~'; });
}

std::string describe_refusal(const HttpResponse& answer, std::string_view phrase) {
  std::string text = "the server answered " + std::to_string(answer.status);
  if (is_presentable(phrase)) text.append(" ").append(phrase);
  const std::string_view location = answer.fields.value_or("Location", "");
  if (answer.status >= 300 && answer.status < 400 && is_presentable(location)) text.append(" to ").append(location);
  return text;
}

}  // namespace

std::string make_key(RandomSource& random) {
  std::array<std::uint8_t, kKeyBytes> bytes{};
  random.fill(bytes);
  return base64_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

bool may_be_added(std::string_view field_name) {
  constexpr std::array<std::string_view, 5> kOwn{"Host", "Upgrade", "Connection", "Content-Length",
                                                 "Transfer-Encoding"};
  constexpr std::string_view kOwnPrefix = "Sec-WebSocket-";
  return is_token(field_name) && !equals_ignoring_case(field_name.substr(0, kOwnPrefix.size()), kOwnPrefix) &&
         std::ranges::none_of(kOwn, [&](std::string_view own) { return equals_ignoring_case(own, field_name); });
}

std::string write_upgrade_request(const UpgradeRequest& request) {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  text.append("GET ").append(request.target).append(" HTTP/1.1\r\n");
  add("Host", request.host);
  add("Upgrade", "websocket");
  add("Connection", "Upgrade");
  add("Sec-WebSocket-Version", "13");
  add("Sec-WebSocket-Key", request.key);
  if (!request.subprotocol.empty()) add("Sec-WebSocket-Protocol", request.subprotocol);
  for (const auto& [name, value] : request.fields) add(name, value);
  return text.append("\r\n");
}

std::optional<std::string> check_answer(const HttpResponse& answer, std::string_view phrase,
                                        const UpgradeRequest& request) {
  if (answer.status != 101) return describe_refusal(answer, phrase);
  if (!wants_upgrade(answer.fields)) return "the server did not upgrade to websocket";
  if (answer.fields.value_or("Sec-WebSocket-Accept", "") != accept_value(request.key))
    return "the server's Sec-WebSocket-Accept is wrong";
  if (answer.fields.find("Sec-WebSocket-Extensions")) return "the server uses an extension that was not asked for";
  const auto subprotocol = answer.fields.find("Sec-WebSocket-Protocol");
  if (subprotocol.value_or("") == request.subprotocol) return std::nullopt;
  // Both are reasons to fail: RFC 6455 section 4.1 and MQTT 5 section 6.
  if (!subprotocol) return "the server did not take the subprotocol " + request.subprotocol;
  return "the server chose a subprotocol that was not asked for" +
         (is_presentable(*subprotocol) ? ": " + std::string(*subprotocol) : std::string());
}

}  // namespace famemely::websocket
