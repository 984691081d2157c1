#include "app/setting_parsers.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "app/mqtt_url.hpp"
#include "app/values.hpp"
#include "protocol/websocket/client_handshake.hpp"
#include "serving/ip_address.hpp"

namespace famemely::app {
namespace {

bool is_ip_address(const std::string& text) {
  unsigned char address[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, text.c_str(), address) == 1 || ::inet_pton(AF_INET6, text.c_str(), address) == 1;
}

bool is_scheme(std::string_view text) {
  const auto is_letter = [](char letter) { return letter >= 'a' && letter <= 'z'; };
  return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, [&](char letter) {
    return is_letter(letter) || (letter >= '0' && letter <= '9') || letter == '+' || letter == '-' || letter == '.';
  });
}

/// `host`, `host:port`, `[address]`, `[address]:port`.
bool is_authority(std::string_view text) {
  const std::size_t bracket = text.find(']');
  const std::size_t colon = text.find(':', bracket == text.npos ? 0 : bracket);
  std::string_view host = text.substr(0, colon);
  if (colon != text.npos) {
    const auto port = parse_number(text.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return false;
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return is_host(host);
}

Result<std::string, std::string> parse_origin(std::string_view item) {
  std::string origin = lower_case(item);
  const std::string shown = hide_password(item);
  const std::size_t mark = origin.find("://");
  const std::string scheme = origin.substr(0, mark);
  if (mark == origin.npos || !is_scheme(scheme)) return failure("\"" + shown + "\" lacks a scheme such as https://");
  const std::string authority = origin.substr(mark + 3);
  if (authority.contains('/') || authority.contains('?') || authority.contains('#'))
    return failure("\"" + shown + "\" has more than scheme, host and port; leave out what follows them");
  if (authority.contains('*')) return failure("\"" + shown + "\" has a wildcard, and origins are exact");
  if (!is_authority(authority)) return failure("\"" + shown + "\" has a malformed host or port");
  for (std::string_view unsaid : {"http :80", "https :443"}) {
    const std::size_t space = unsaid.find(' ');
    const std::string_view port = unsaid.substr(space + 1);
    if (scheme == unsaid.substr(0, space) && origin.ends_with(port)) origin.resize(origin.size() - port.size());
  }
  return origin;
}

}  // namespace

Result<std::vector<std::string>, std::string> parse_listen_addresses(std::string_view text) {
  std::vector<std::string> addresses;
  std::vector<std::string> items = split_list(text);
  if (items == std::vector<std::string>{"*"}) return addresses;
  for (std::string item : items) {
    if (item.starts_with('[') && item.ends_with(']')) item = item.substr(1, item.size() - 2);
    if (lower_case(item) == "localhost") {
      addresses.insert(addresses.end(), {"127.0.0.1", "::1"});
    } else if (is_ip_address(item)) {
      addresses.push_back(item);
    } else {
      return failure("\"" + item + "\" is not an IP address");
    }
  }
  if (addresses.empty()) return failure(std::string());
  return addresses;
}

Result<std::vector<std::string>, std::string> parse_origins(std::string_view text) {
  std::vector<std::string> origins;
  std::vector<std::string> items = split_list(text);
  if (items == std::vector<std::string>{"*"}) return items;
  for (const std::string& item : items) {
    if (item == "*") return failure(std::string("* stands alone"));
    auto origin = parse_origin(item);
    if (!origin) return failure(origin.error());
    origins.push_back(std::move(*origin));
  }
  return origins;
}

Result<std::string, std::string> parse_http_url(std::string_view text) {
  std::string_view rest = text;
  const std::string start = lower_case(text.substr(0, 8));
  if (start.starts_with("https://"))
    rest.remove_prefix(8);
  else if (start.starts_with("http://"))
    rest.remove_prefix(7);
  else
    return failure(std::string());
  if (rest.find_first_of("?#@ ") != rest.npos)
    return failure(std::string("a user, query or fragment has no meaning in it"));
  if (!is_authority(rest.substr(0, rest.find('/')))) return failure(std::string("the host or port is malformed"));
  while (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

bool is_database_url(std::string_view text) {
  for (std::string_view scheme : {"sqlite:", "postgres://", "postgresql://"})
    if (text.starts_with(scheme) && text.size() > scheme.size()) return true;
  return false;
}

Result<std::vector<std::string>, std::string> parse_alpn(std::string_view text) {
  constexpr std::size_t kNameMax = 255;  // RFC 7301 section 3.1
  std::vector<std::string> names = split_list(text);
  for (const std::string& name : names)
    if (name.size() > kNameMax) return failure("\"" + name + "\" is longer than 255 bytes");
  if (names.empty()) return failure(std::string());
  return names;
}

Result<std::vector<std::string>, std::string> parse_address_ranges(std::string_view text) {
  constexpr std::size_t kRangesMax = 1000;  // each request of a proxy is held against all of them
  std::vector<std::string> ranges = split_list(text);
  for (const std::string& range : ranges)
    if (const auto parsed = serving::AddressRange::parse(range); !parsed) return failure(parsed.error());
  if (ranges.empty() || ranges.size() > kRangesMax) return failure(std::string("there are 1 to 1000 of them"));
  return ranges;
}

bool is_request_target(std::string_view text) {
  return text.starts_with('/') &&
         std::ranges::all_of(text, [](char letter) { return letter > ' ' && letter <= '~' && letter != '#'; });
}

Result<HttpFields, std::string> parse_ws_headers(std::string_view text) {
  constexpr std::size_t kBytesMax = 8192;
  if (text.size() > kBytesMax) return failure(std::string("it is longer than 8192 bytes"));
  HttpFields fields;
  std::string item;
  const auto add_item = [&]() -> std::optional<std::string> {
    const std::string_view trimmed = trim(item);
    const std::size_t colon = trimmed.find(':');
    const std::string name(trim(trimmed.substr(0, colon)));
    if (colon == trimmed.npos) return "every header needs a name, a colon and a value";
    if (!websocket::may_be_added(name)) return "the header \"" + name + "\" can't be set";
    fields.add(name, std::string(trim(trimmed.substr(colon + 1))));
    item.clear();
    return std::nullopt;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '|' && text.substr(at + 1).starts_with('|')) {
      item += text[at++];
    } else if (text[at] == '|') {
      if (auto fault = add_item()) return failure(std::move(*fault));
    } else {
      item += text[at];
    }
  }
  if (auto fault = add_item()) return failure(std::move(*fault));
  return fields;
}

std::string hide_password(std::string_view url) {
  // Keys and values, as libpq takes them too.
  constexpr std::string_view kKey = "password";
  const std::string lowered = lower_case(url);
  for (auto key = lowered.find(kKey); key != lowered.npos; key = lowered.find(kKey, key + 1)) {
    const std::size_t equals = url.find_first_not_of(' ', key + kKey.size());
    if (equals != url.npos && url[equals] == '=')
      return hide_password(url.substr(0, key)) + std::string(url.substr(key, kKey.size())) + "=***";
  }
  const std::size_t mark = url.find("://");
  const std::size_t start = mark == url.npos ? 0 : mark + 3;
  const std::size_t at = url.rfind('@');
  const std::size_t colon = url.find(':', start);
  const std::size_t question = url.find('?');
  const bool user_before = at != url.npos && colon != url.npos && colon < at;
  // An `@` behind a `?`: nobody can tell where the password ends and the query begins.
  if (user_before && question < at) return std::string(url.substr(0, std::min(colon, question) + 1)) + "***";
  std::string shown(url.substr(0, question));
  if (question != url.npos) shown += "?***";
  if (user_before) shown.replace(colon + 1, at - colon - 1, "***");
  return shown;
}

}  // namespace famemely::app
