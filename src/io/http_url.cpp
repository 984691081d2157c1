#include "io/http_url.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "base/http_message.hpp"

namespace famemely::io {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

bool take_scheme(std::string_view& text, std::string_view scheme) {
  if (!equals_ignoring_case(text.substr(0, scheme.size()), scheme)) return false;
  text.remove_prefix(scheme.size());
  return true;
}

bool is_address(const std::string& host) {
  boost::system::error_code fault;
  boost::asio::ip::make_address(host, fault);
  return !fault;
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '-' || letter == '.' || letter == '_';
  });
}

}  // namespace

Result<HttpUrl, std::string> HttpUrl::parse(std::string_view text) {
  HttpUrl url;
  if (take_scheme(text, "https://"))
    url.tls = true;
  else if (!take_scheme(text, "http://"))
    return failure(std::string("it begins with neither http:// nor https://"));
  url.port = url.tls ? kHttpsPort : kHttpPort;

  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, end);
  const std::string_view target = text.substr(end);
  if (authority.find('@') != authority.npos) return failure(std::string("a user has no meaning in it"));
  if (target.find('#') != target.npos) return failure(std::string("a fragment has no meaning in it"));
  if (!std::ranges::all_of(target, [](char letter) { return letter > ' ' && letter <= '~'; }))
    return failure(std::string("its path is not percent-encoded"));
  url.target = (target.starts_with('/') ? "" : "/") + std::string(target);

  const bool brackets = authority.starts_with('[');
  const std::size_t colon = brackets ? authority.find("]:") : authority.find(':');
  if (colon != authority.npos) {
    const std::string_view digits = authority.substr(colon + (brackets ? 2 : 1));
    const char* const last = digits.data() + digits.size();
    const auto [stop, fault] = std::from_chars(digits.data(), last, url.port);
    if (fault != std::errc() || stop != last || url.port == 0) return failure(std::string("its port is malformed"));
    authority = authority.substr(0, colon + (brackets ? 1 : 0));
  }
  if (brackets) {
    if (!authority.ends_with(']')) return failure(std::string("its host is malformed"));
    authority.remove_prefix(1);
    authority.remove_suffix(1);
  }
  url.host = authority;
  if (brackets ? !is_address(url.host) : !is_name(url.host)) return failure(std::string("its host is malformed"));
  return url;
}

bool HttpUrl::is_loopback() const {
  if (equals_ignoring_case(host, "localhost")) return true;
  boost::system::error_code fault;
  const auto address = boost::asio::ip::make_address(host, fault);
  return !fault && address.is_loopback();
}

std::string HttpUrl::host_field() const {
  const std::string name = host.find(':') == host.npos ? host : "[" + host + "]";
  return port == (tls ? kHttpsPort : kHttpPort) ? name : name + ":" + std::to_string(port);
}

std::string HttpUrl::shown() const {
  return (tls ? "https://" : "http://") + host_field() + target.substr(0, target.find('?'));
}

}  // namespace famemely::io
