#pragma once

#include <span>

#include "api/client_bundle.hpp"

namespace famemely::app {

/// The files that the build has put into the program (cmake/client_bundle.cmake); none with FAMEMELY_CLIENT_BUNDLE=OFF.
[[nodiscard]] std::span<const api::BundledFile> embedded_client_bundle();

}  // namespace famemely::app
