#include "protocol/engineio/sid.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/base64.hpp"

namespace famemely::engineio {

Sid Sid::make(RandomSource& random, std::uint8_t owner) {
  Sid sid;
  random.fill(std::span(sid.bytes_).first(kBytes - 1));
  sid.bytes_.back() = owner ^ sid.veil();
  return sid;
}

std::optional<Sid> Sid::parse(std::string_view text) {
  if (text.size() != kBytes / 3 * 4) return std::nullopt;
  const auto bytes = base64url_decode(text);
  if (!bytes || bytes->size() != kBytes) return std::nullopt;
  Sid sid;
  std::memcpy(sid.bytes_.data(), bytes->data(), kBytes);
  return sid;
}

std::string Sid::text() const { return base64url_encode({reinterpret_cast<const char*>(bytes_.data()), kBytes}); }

std::uint8_t Sid::owner() const { return bytes_.back() ^ veil(); }

std::uint64_t Sid::hash() const {
  std::uint64_t value;
  std::memcpy(&value, bytes_.data(), sizeof value);
  return value;
}

std::uint8_t Sid::veil() const { return bytes_[8] ^ bytes_[13]; }

}  // namespace famemely::engineio
