#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_text.hpp"
#include "protocol/jwt/key_set.hpp"

using namespace famemely;
using namespace famemely::jwt;

/// A set has as many keys as it says, every one of them usable and fit for one algorithm.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto set = KeySet::parse(bytes);
  if (!set) return 0;
  const auto listed = JsonView::parse(bytes)->find("keys")->elements();
  if (set->size() > kKeysMax || set->size() + set->skipped().size() != listed.size()) std::abort();
  std::size_t found = 0;
  for (const JsonView& jwk : listed) {
    const auto member = jwk.find("kid");
    const auto kid = member ? member->as_string() : std::nullopt;
    if (!kid) continue;
    if (set->find(*kid, Algorithm::hs256)) std::abort();
    for (const Algorithm algorithm : {Algorithm::rs256, Algorithm::es256, Algorithm::eddsa}) {
      const PublicKey* key = set->find(*kid, algorithm);
      if (!key) continue;
      ++found;
      if (key->algorithm() != algorithm || key->digest().size() != 32) std::abort();
      if (!set->has_kid(*kid) || !set->holds(*kid, key->digest())) std::abort();
      if (key->verifies("text", "") || key->verifies("text", std::string(64, '\1'))) std::abort();
    }
  }
  if (found < set->size() || !set->same_keys(*KeySet::parse(bytes))) std::abort();
  return 0;
}
