#include "gateway/uuid.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace famemely::gateway {

std::string make_uuid(RandomSource& random) {
  std::uint8_t bytes[16];
  random.fill(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  std::string id;
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id.push_back('-');
    fmt::format_to(std::back_inserter(id), "{:02x}", bytes[i]);
  }
  return id;
}

}  // namespace famemely::gateway
