// Has a fault on purpose: a fuzzer that does not find it within seconds is not fuzzing, and a replay of its corpus that
// succeeds is not replaying. So this target must be seen to fail.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/base64.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = famemely::base64_decode({reinterpret_cast<const char*>(data), size});
  if (bytes && bytes->starts_with("tweet")) std::abort();
  return 0;
}
