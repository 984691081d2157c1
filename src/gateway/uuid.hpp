#pragma once

#include <string>

#include "base/random_source.hpp"

namespace famemely::gateway {

/// A version 4 UUID (RFC 9562 section 5.4): the ids of subscriptions.
[[nodiscard]] std::string make_uuid(RandomSource& random);

}  // namespace famemely::gateway
