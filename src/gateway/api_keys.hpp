#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/random_source.hpp"
#include "base/result.hpp"

namespace famemely::gateway {

/// What every API key begins with.
inline constexpr std::string_view kApiKeyPrefix = "fmk_";
inline constexpr std::size_t kApiKeysMax = 10'000;
/// Of the name and the role of an API key.
inline constexpr std::size_t kApiKeyWordBytesMax = 64;

/// An API key as its file has it: not the key itself.
struct ApiKey {
  std::string name;
  std::string role;
  std::string digest;  // SHA-256 of the key, 32 bytes

  bool operator==(const ApiKey&) const = default;
};

/// The keys of backends, as `API_KEYS_FILE` lists them. Immutable once it is made.
///
/// A line a key: `<name> <role> sha256:<64 hex digits>`, separated by spaces or tabs. Empty lines, and what follows a
/// `#` at the beginning of a line, are left out.
class ApiKeys {
 public:
  /// The fault names the line, and repeats nothing that could be a key.
  [[nodiscard]] static Result<ApiKeys, std::string> parse(std::string_view text);

  /// By the key that somebody has brought; nothing if it is none of these.
  [[nodiscard]] const ApiKey* find(std::string_view key) const;
  /// The key of this digest is there under that name and role.
  [[nodiscard]] bool holds(std::string_view digest, std::string_view name, std::string_view role) const;
  [[nodiscard]] std::size_t size() const { return by_digest_.size(); }

  bool operator==(const ApiKeys&) const = default;

 private:
  std::unordered_map<std::string, ApiKey> by_digest_;
};

/// Letters, digits, `.`, `_` and `-`, 1 to 64 of them: what names and roles of API keys are made of.
[[nodiscard]] bool is_api_key_word(std::string_view text);

/// A new key, of 256 random bits.
[[nodiscard]] std::string make_api_key(RandomSource& random);
/// The line of the file for a key.
[[nodiscard]] std::string api_key_line(std::string_view name, std::string_view role, std::string_view key);

}  // namespace famemely::gateway
