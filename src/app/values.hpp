#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace famemely::app {

/// The notations that settings share. Each parser takes the whole text or nothing; each writer writes what its parser
/// reads back to the same value.

/// `250ms`, `10s`, `2m`, `1h`, `7d`, `1.5h`; a bare number is seconds. Whole milliseconds only.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// `512`, `64KB`, `1MB`, `1.5GB`, in powers of 1000, any case; a bare number is bytes. Whole bytes only.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// Decimal digits alone.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

/// `true`, `yes`, `on`, `1` and their opposites, any case.
[[nodiscard]] std::optional<bool> parse_toggle(std::string_view text);

/// What stands between the commas, trimmed; empty items are left out.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);
[[nodiscard]] std::string join_list(const std::vector<std::string>& items);

/// Without spaces, tabs and line ends around it.
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string lower_case(std::string_view text);

/// The candidate that the fewest single-letter changes turn into the name, case ignored; empty if there is none.
[[nodiscard]] std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace famemely::app
