#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings_table.hpp"
#include "base/result.hpp"

namespace famemely::app {

struct GivenValue {
  std::string text;
  /// Where it comes from, for people: `flag --port`, `environment`, `.env:3`, `gateway.yaml:7`.
  std::string source;

  bool operator==(const GivenValue&) const = default;
};

/// By variable name; only names of the table. Whoever writes later wins.
using GivenValues = std::map<std::string, GivenValue, std::less<>>;

/// Whole sentences about what was found: faults keep the server from starting, warnings are logged.
struct Findings {
  std::vector<std::string> faults;
  std::vector<std::string> warnings;
};

/// Larger ones are no configuration.
inline constexpr std::size_t kConfigFileBytesMax = 1'000'000;

/// The content of a configuration file, or why it can't be had.
[[nodiscard]] Result<std::string, std::string> read_config_file(const std::filesystem::path& path,
                                                                std::size_t bytes_max = kConfigFileBytesMax);

/// Each of these adds the values of one source to `given`. An empty value leaves what a lower source said, but for
/// settings whose empty value means something.
void add_dotenv(std::string_view text, const std::string& file, GivenValues& given, Findings& findings);
void add_environment(const std::map<std::string, std::string>& environment, GivenValues& given, Findings& findings);
void add_yaml(std::string_view text, const std::string& file, GivenValues& given, Findings& findings);

/// `NAME="value" (source)`, with no more of the value than may be shown.
[[nodiscard]] std::string describe(const Setting& setting, const GivenValue& value);

}  // namespace famemely::app
