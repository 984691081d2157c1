#pragma once

#include <string>
#include <string_view>

#include "base/http_message.hpp"

namespace famemely::api {

/// Bodies below this size are not worth the time.
inline constexpr std::size_t kCompressedBytesMin = 1'024;

/// True if the value of an Accept-Encoding header lets an answer have this coding (RFC 9110 section 12.5.3).
[[nodiscard]] bool accepts_coding(std::string_view accept_encoding, std::string_view wanted);
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

/// The text as gzip (RFC 1952).
[[nodiscard]] std::string gzip(std::string_view text);

/// Compresses the body if it is large enough and the client takes gzip, and says so in the header fields.
void encode_content(HttpResponse& response, std::string_view accept_encoding);

}  // namespace famemely::api
