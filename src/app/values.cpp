#include "app/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <numeric>

namespace famemely::app {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t scale;
};

// From small to large, as the writer wants them.
constexpr std::array kDurationUnits{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000},
                                    Unit{"d", 86'400'000}};
constexpr std::array kSizeUnits{Unit{"b", 1}, Unit{"kb", 1000}, Unit{"mb", 1'000'000}, Unit{"gb", 1'000'000'000}};

/// Ten digits times the largest unit still fit 64 bits.
constexpr std::size_t kDigitsMax = 10;
constexpr std::size_t kDecimalsMax = 9;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// `<digits>[.<digits>]<unit>` as a whole number of the smallest unit.
template <std::size_t count>
std::optional<std::uint64_t> parse_scaled(std::string_view text, const std::array<Unit, count>& units,
                                          std::string_view bare_unit) {
  const auto digits_from = [&](std::size_t start) {
    return static_cast<std::size_t>(
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(), is_digit) - text.begin());
  };
  const std::size_t whole_end = digits_from(0);
  if (whole_end == 0 || whole_end > kDigitsMax) return std::nullopt;
  std::string_view decimals;
  std::size_t unit_start = whole_end;
  if (whole_end < text.size() && text[whole_end] == '.') {
    unit_start = digits_from(whole_end + 1);
    decimals = text.substr(whole_end + 1, unit_start - whole_end - 1);
    if (decimals.empty() || decimals.size() > kDecimalsMax) return std::nullopt;
  }
  const std::string name = unit_start == text.size() ? std::string(bare_unit) : lower_case(text.substr(unit_start));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  const std::uint64_t whole = *parse_number(text.substr(0, whole_end)) * unit->scale;
  if (decimals.empty()) return whole;
  std::uint64_t divisor = 1;
  for (std::size_t i = 0; i < decimals.size(); ++i) divisor *= 10;
  const std::uint64_t fraction = *parse_number(decimals) * unit->scale;
  if (fraction % divisor != 0) return std::nullopt;
  return whole + fraction / divisor;
}

/// In the largest unit that leaves no remainder.
template <std::size_t count>
std::pair<std::uint64_t, std::string_view> in_largest_unit(std::uint64_t value, const std::array<Unit, count>& units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units)
    if (value != 0 && value % unit.scale == 0) best = &unit;
  return {value / best->scale, best->name};
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto value = parse_scaled(text, kDurationUnits, "s");
  if (!value) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
}

std::string format_duration(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  const auto [value, unit] = in_largest_unit(static_cast<std::uint64_t>(duration.count()), kDurationUnits);
  return std::to_string(value) + std::string(unit);
}

std::optional<std::uint64_t> parse_size(std::string_view text) { return parse_scaled(text, kSizeUnits, "b"); }

std::string format_size(std::uint64_t bytes) {
  const auto [value, unit] = in_largest_unit(bytes, kSizeUnits);
  std::string out = std::to_string(value);
  for (char letter : unit) out.push_back(static_cast<char>(letter - 'a' + 'A'));
  return out;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> parse_toggle(std::string_view text) {
  const std::string word = lower_case(text);
  if (word == "true" || word == "yes" || word == "on" || word == "1") return true;
  if (word == "false" || word == "no" || word == "off" || word == "0") return false;
  return std::nullopt;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (true) {
    const std::size_t comma = text.find(',');
    if (const auto item = trim(text.substr(0, comma)); !item.empty()) items.emplace_back(item);
    if (comma == text.npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::string join_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) {
    if (!out.empty()) out += ',';
    out += item;
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& letter : out)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return out;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr std::size_t kNameMax = 64;  // longer ones are no slip of the finger, and the table is quadratic
  const std::string wanted = lower_case(name.substr(0, kNameMax));
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& candidate : candidates) {
    const std::string other = lower_case(candidate);
    // Levenshtein's distance, one row of the table at a time.
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < other.size(); ++j) {
        const std::size_t change = diagonal + (wanted[i] == other[j] ? 0U : 1U);
        diagonal = row[j + 1];
        row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace famemely::app
