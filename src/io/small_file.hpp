#pragma once

#include <cstddef>
#include <string>

#include "base/result.hpp"

namespace famemely::io {

/// The content of a plain file of at most so many bytes. The fault says why not, and names the file.
[[nodiscard]] Result<std::string, std::string> read_small_file(const std::string& name, std::size_t bytes_max);

}  // namespace famemely::io
