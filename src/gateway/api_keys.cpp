#include "gateway/api_keys.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/base64.hpp"
#include "protocol/jwt/digest.hpp"

namespace famemely::gateway {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kKeyLetters = 43;  // of 32 bytes in base64url
constexpr const char* kForm = "a line is: name role sha256:<64 hex digits>, as `famemely-mqtt key create` prints it";

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kSpace); at != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kSpace, end);
  }
  return words;
}

std::optional<std::uint8_t> digit_of(char letter) {
  if (letter >= '0' && letter <= '9') return static_cast<std::uint8_t>(letter - '0');
  if (letter >= 'a' && letter <= 'f') return static_cast<std::uint8_t>(letter - 'a' + 10);
  if (letter >= 'A' && letter <= 'F') return static_cast<std::uint8_t>(letter - 'A' + 10);
  return std::nullopt;
}

/// `sha256:` and 64 digits, as 32 bytes.
std::optional<std::string> read_digest(std::string_view word) {
  if (!word.starts_with(kDigestPrefix)) return std::nullopt;
  word.remove_prefix(kDigestPrefix.size());
  if (word.size() != 64) return std::nullopt;
  std::string digest;
  for (std::size_t i = 0; i < word.size(); i += 2) {
    const auto high = digit_of(word[i]);
    const auto low = digit_of(word[i + 1]);
    if (!high || !low) return std::nullopt;
    digest.push_back(static_cast<char>(*high << 4 | *low));
  }
  return digest;
}

Result<ApiKey, std::string> read_line(const std::vector<std::string_view>& words) {
  const auto is_key = [](std::string_view word) { return word.starts_with(kApiKeyPrefix); };
  if (std::ranges::any_of(words, is_key))
    return failure(std::string("an API key itself stands here; the file holds only its SHA-256: ") + kForm);
  if (words.size() != 3) return failure(std::string(kForm));
  for (std::string_view word : {words[0], words[1]})
    if (!is_api_key_word(word))
      return failure(std::string("name and role are letters, digits, '.', '_' and '-', at most 64"));
  auto digest = read_digest(words[2]);
  if (!digest) return failure(std::string("the third word is not sha256: and 64 hex digits"));
  return ApiKey{std::string(words[0]), std::string(words[1]), *std::move(digest)};
}

}  // namespace

Result<ApiKeys, std::string> ApiKeys::parse(std::string_view text) {
  ApiKeys keys;
  std::set<std::string, std::less<>> names;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (words.empty() || words.front().starts_with('#')) continue;
    const auto fault = [number](std::string_view what) {
      return failure("line " + std::to_string(number) + ": " + std::string(what));
    };
    auto key = read_line(words);
    if (!key) return fault(key.error());
    if (!names.insert(key->name).second) return fault("the name " + key->name + " stands in an earlier line");
    if (keys.by_digest_.contains(key->digest)) return fault("the key stands in an earlier line under another name");
    if (keys.size() == kApiKeysMax) return fault("more than " + std::to_string(kApiKeysMax) + " keys");
    keys.by_digest_.emplace(key->digest, *key);
  }
  return keys;
}

const ApiKey* ApiKeys::find(std::string_view key) const {
  if (!key.starts_with(kApiKeyPrefix) || key.size() != kApiKeyPrefix.size() + kKeyLetters) return nullptr;
  // Who looks keys up by their digest gives nothing away by the time it takes: nobody can aim at a digest.
  const auto found = by_digest_.find(jwt::sha256(key));
  return found == by_digest_.end() ? nullptr : &found->second;
}

bool ApiKeys::holds(std::string_view digest, std::string_view name, std::string_view role) const {
  const auto found = by_digest_.find(std::string(digest));
  return found != by_digest_.end() && found->second.name == name && found->second.role == role;
}

bool is_api_key_word(std::string_view text) {
  return !text.empty() && text.size() <= kApiKeyWordBytesMax && std::ranges::all_of(text, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '.' || letter == '_' || letter == '-';
  });
}

std::string make_api_key(RandomSource& random) {
  std::array<std::uint8_t, kKeyBytes> bytes{};
  random.fill(bytes);
  return std::string(kApiKeyPrefix) + base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string api_key_line(std::string_view name, std::string_view role, std::string_view key) {
  return std::string(name) + ' ' + std::string(role) + ' ' + std::string(kDigestPrefix) + jwt::to_hex(jwt::sha256(key));
}

}  // namespace famemely::gateway
