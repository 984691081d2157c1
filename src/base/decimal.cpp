#include "base/decimal.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <tuple>

namespace famemely {
namespace {

/// So far from the ends that counting digits does not overflow.
constexpr std::int64_t kExponentMax = std::int64_t{1} << 62;

/// Takes the digits off the front.
std::string_view take_digits(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || !one_of.contains(text.front())) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> read_exponent(std::string_view text) {
  if (text.starts_with("+") && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t exponent = 0;
  const char* const last = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), last, exponent);
  if (fault != std::errc() || stop != last || exponent >= kExponentMax || exponent <= -kExponentMax)
    return std::nullopt;
  return exponent;
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal number;
  number.is_negative_ = text.starts_with('-');
  std::ignore = take(text, "+-");
  number.digits_ = take_digits(text);
  if (take(text, ".")) {
    const std::string_view fraction = take_digits(text);
    number.digits_ += fraction;
    number.exponent_ = -static_cast<std::int64_t>(fraction.size());
  }
  if (number.digits_.empty()) return std::nullopt;
  if (take(text, "eE")) {
    const auto exponent = read_exponent(text);
    if (!exponent) return std::nullopt;
    number.exponent_ += *exponent;
  } else if (!text.empty()) {
    return std::nullopt;
  }

  number.digits_.erase(0, std::min(number.digits_.find_first_not_of('0'), number.digits_.size()));
  const std::size_t significant = number.digits_.find_last_not_of('0') + 1;
  number.exponent_ += static_cast<std::int64_t>(number.digits_.size() - significant);
  number.digits_.resize(significant);
  return number.digits_.empty() ? Decimal() : number;
}

}  // namespace famemely
