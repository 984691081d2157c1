#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace famemely::app {

struct DotenvEntry {
  std::string name;
  std::string value;
  std::size_t line = 0;
  /// The value was cut at a `#` that touches it, as in `pass#word`: perhaps not what was meant.
  bool cut_at_hash = false;
  /// It begins with a quote that nothing closes, or text follows the closing one.
  bool bad_quotes = false;

  bool operator==(const DotenvEntry&) const = default;
};

struct DotenvText {
  /// In the order of the file; of entries with one name the last counts.
  std::vector<DotenvEntry> entries;
  /// Numbers of lines that are neither empty, nor comments, nor `KEY=VALUE`.
  std::vector<std::size_t> strange_lines;
};

/// Reads `.env` as Node's dotenv does: `KEY=VALUE`, with or without `export`; `#` begins a comment, also inside an
/// unquoted value; '…', "…" and `…` quote, over several lines too; `\n` and `\r` are undone in double quotes only;
/// nothing is expanded. The file is shared with other programs, so nothing in it makes the whole unreadable.
[[nodiscard]] DotenvText parse_dotenv(std::string_view text);

}  // namespace famemely::app
