#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "protocol/jwt/public_key.hpp"

namespace famemely::jwt {

/// A JWKS of more keys is refused as a whole; issuers have a handful.
inline constexpr std::size_t kKeysMax = 100;
/// Longer names of keys are not looked at.
inline constexpr std::size_t kKidBytesMax = 256;

/// The keys that an issuer has published (RFC 7517), as far as they can verify tokens. Immutable once it is made.
class KeySet {
 public:
  struct Key {
    std::string kid;
    PublicKey key;
  };

  /// The fault is of the whole document. A key that can't be used is left out, and `skipped` says why.
  [[nodiscard]] static Result<KeySet, std::string> parse(std::string_view jwks);

  /// The key of this name for this algorithm; nothing if there is none, also where the name is that of a key for
  /// another one.
  [[nodiscard]] const PublicKey* find(std::string_view kid, Algorithm algorithm) const;
  [[nodiscard]] bool has_kid(std::string_view kid) const;
  /// By `PublicKey::digest`.
  [[nodiscard]] bool holds(std::string_view kid, std::string_view digest) const;

  [[nodiscard]] std::size_t size() const { return keys_.size(); }
  /// One sentence a key that was left out.
  [[nodiscard]] const std::vector<std::string>& skipped() const { return skipped_; }

  /// The same keys under the same names.
  [[nodiscard]] bool same_keys(const KeySet& other) const;

 private:
  [[nodiscard]] Result<Key, std::string> read_key(const JsonView& jwk) const;

  std::vector<Key> keys_;
  std::vector<std::string> skipped_;
};

}  // namespace famemely::jwt
