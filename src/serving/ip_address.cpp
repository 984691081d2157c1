#include "serving/ip_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace famemely::serving {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr unsigned kMappedBits = 96;

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated) return std::nullopt;
  std::ranges::copy(text, terminated);
  IpAddress address;
  if (::inet_pton(AF_INET6, terminated, address.bytes_.data()) == 1) return address;
  std::ranges::copy(kMappedPrefix, address.bytes_.begin());
  if (::inet_pton(AF_INET, terminated, address.bytes_.data() + kMappedPrefix.size()) == 1) return address;
  return std::nullopt;
}

bool IpAddress::is_v4() const { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin()); }

std::string IpAddress::text() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4())
    ::inet_ntop(AF_INET, bytes_.data() + kMappedPrefix.size(), text, sizeof text);
  else
    ::inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::string IpAddress::account_name() const {
  const auto* first = reinterpret_cast<const char*>(bytes_.data());
  return is_v4() ? std::string(first + kMappedPrefix.size(), 4) : std::string(first, 8);
}

Result<AddressRange, std::string> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return failure(fmt::format("{} is no IP address", text.substr(0, slash)));
  const bool v4 = address->is_v4() && text.substr(0, slash).find(':') == text.npos;
  const unsigned width = v4 ? 32 : 128;
  unsigned bits = width;
  if (slash != text.npos) {
    const std::string_view length = text.substr(slash + 1);
    const auto [end, fault] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (fault != std::errc() || end != length.data() + length.size() || bits > width)
      return failure(fmt::format("after the slash of {} stands a number of bits, 0 to {}", text, width));
  }
  AddressRange range;
  range.address_ = *address;
  range.bits_ = bits + (v4 ? kMappedBits : 0);
  return range;
}

bool AddressRange::contains(const IpAddress& address) const {
  // All of IPv6 is not all of IPv4 as well, though the one can write the other.
  if (address.is_v4() && bits_ < kMappedBits) return false;
  const unsigned whole = bits_ / 8;
  if (!std::equal(address_.bytes().begin(), address_.bytes().begin() + whole, address.bytes().begin())) return false;
  const unsigned rest = bits_ % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
  return ((address_.bytes()[whole] ^ address.bytes()[whole]) & mask) == 0;
}

}  // namespace famemely::serving
