#include "protocol/jwt/key_set.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "protocol/jwt/strict_json.hpp"

namespace famemely::jwt {
namespace {

/// Whether the issuer means the key for the verification of such signatures (RFC 7517 sections 4.2 to 4.4). All three
/// members may be absent.
std::optional<std::string> misuse(const JsonView& jwk, Algorithm algorithm) {
  if (const auto use = jwk.find("use"); use && use->as_string() != "sig")
    return "it is not for signatures (its use is not sig)";
  if (const auto operations = jwk.find("key_ops")) {
    const auto list = operations->elements();
    if (std::ranges::none_of(list, [](const JsonView& one) { return one.as_string() == "verify"; }))
      return "it is not for verification (its key_ops do not name verify)";
  }
  if (const auto member = jwk.find("alg")) {
    const auto name = member->as_string();
    if (!name || parse_algorithm(*name) != algorithm)
      return "its alg is not " + std::string(algorithm_name(algorithm)) + ", which is what its kty is good for";
  }
  return std::nullopt;
}

/// How to speak of a key in the log: issuers' names are shown as far as they are short and printable.
std::string describe(const JsonView& jwk, std::size_t place) {
  constexpr std::size_t kShownBytes = 64;
  const auto member = jwk.find("kid");
  const auto kid = member ? member->as_string() : std::nullopt;
  std::string words = "key " + std::to_string(place);
  if (kid && kid->size() <= kShownBytes &&
      std::ranges::all_of(*kid, [](char letter) { return letter > ' ' && letter <= '~'; }))
    words += " (kid " + *kid + ")";
  return words;
}

}  // namespace

Result<KeySet, std::string> KeySet::parse(std::string_view jwks) {
  const auto document = parse_strict_object(jwks, "the JWKS");
  if (!document) return failure(document.error());
  const auto list = document->find("keys");
  if (!list || list->kind() != JsonKind::array) return failure(std::string("the JWKS has no array named keys"));
  const auto elements = list->elements();
  if (elements.size() > kKeysMax)
    return failure("the JWKS has " + std::to_string(elements.size()) + " keys; at most " + std::to_string(kKeysMax) +
                   " are allowed");
  KeySet set;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    auto key = set.read_key(elements[i]);
    if (key)
      set.keys_.push_back(*std::move(key));
    else
      set.skipped_.push_back(describe(elements[i], i + 1) + " is left out: " + key.error());
  }
  return set;
}

Result<KeySet::Key, std::string> KeySet::read_key(const JsonView& jwk) const {
  if (jwk.kind() != JsonKind::object) return failure(std::string("it is not an object"));
  const auto member = jwk.find("kid");
  auto kid = member ? member->as_string() : std::nullopt;
  if (!kid || kid->empty()) return failure(std::string("it has no kid, by which tokens name their key"));
  if (kid->size() > kKidBytesMax) return failure("its kid is longer than " + std::to_string(kKidBytesMax) + " bytes");
  auto key = PublicKey::from_jwk(jwk);
  if (!key) return failure(std::move(key.error()));
  if (auto why = misuse(jwk, key->algorithm())) return failure(*std::move(why));
  if (find(*kid, key->algorithm())) return failure(std::string("an earlier key has the same kid and kty"));
  return Key{*std::move(kid), *std::move(key)};
}

const PublicKey* KeySet::find(std::string_view kid, Algorithm algorithm) const {
  const auto found = std::ranges::find_if(
      keys_, [&](const Key& entry) { return entry.kid == kid && entry.key.algorithm() == algorithm; });
  return found == keys_.end() ? nullptr : &found->key;
}

bool KeySet::has_kid(std::string_view kid) const {
  return std::ranges::any_of(keys_, [&](const Key& entry) { return entry.kid == kid; });
}

bool KeySet::holds(std::string_view kid, std::string_view digest) const {
  return std::ranges::any_of(keys_, [&](const Key& entry) { return entry.kid == kid && entry.key.digest() == digest; });
}

bool KeySet::same_keys(const KeySet& other) const {
  return size() == other.size() &&
         std::ranges::all_of(keys_, [&](const Key& entry) { return other.holds(entry.kid, entry.key.digest()); });
}

}  // namespace famemely::jwt
