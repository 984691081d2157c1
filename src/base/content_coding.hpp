#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/deflate.hpp"
#include "base/http_message.hpp"

namespace famemely {

/// Bodies below this size are not worth the time.
inline constexpr std::size_t kCompressedBytesMin = 1'024;

/// True if the value of an Accept-Encoding header lets an answer have this coding (RFC 9110 section 12.5.3).
[[nodiscard]] bool accepts_coding(std::string_view accept_encoding, std::string_view wanted);
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

/// Compresses the body if it has at least this size and the client takes gzip, and says so in the header fields. The
/// deflater must be one for gzip.
void encode_content(HttpResponse& response, bool takes_gzip, std::size_t bytes_min, Deflater& deflater);

}  // namespace famemely
