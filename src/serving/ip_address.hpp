#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace famemely::serving {

/// An IP address; an IPv4 one as IPv6 maps it (RFC 4291 section 2.5.5.2), so that both compare.
class IpAddress {
 public:
  /// `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`; a zone (`%eth0`) is not taken.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] std::string text() const;
  /// Under which one client's connections are counted: the address, or of IPv6 the /64, which a household or a
  /// virtual machine has whole.
  [[nodiscard]] std::string account_name() const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  bool operator==(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

/// `10.0.0.0/8`, `fd00::/8`, or one address.
class AddressRange {
 public:
  /// The failure says what is wrong.
  [[nodiscard]] static Result<AddressRange, std::string> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  bool operator==(const AddressRange&) const = default;

 private:
  IpAddress address_;
  unsigned bits_ = 0;  // of the mapped form, 0 to 128
};

}  // namespace famemely::serving
