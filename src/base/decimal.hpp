#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace famemely {

/// A number as its text has it, exactly: however many digits there are, and whichever way it is written. Identifiers of
/// 64 bits are more than a `double` tells apart.
class Decimal {
 public:
  /// Of JSON (RFC 8259 section 6); besides, `+` may stand before it, and digits may be missing on one side of the
  /// point. Nothing if the text is no number, or one with an exponent beyond 62 bits.
  [[nodiscard]] static std::optional<Decimal> parse(std::string_view text);

  bool operator==(const Decimal&) const = default;

 private:
  bool is_negative_ = false;
  std::string digits_;         // without zeros at either end; none: 0
  std::int64_t exponent_ = 0;  // of ten, at the last digit
};

}  // namespace famemely
