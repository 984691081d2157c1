#include "base/content_coding.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace famemely {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// `0`, `0.0`, `0.00` and `0.000` are the ways to say never (section 12.4.2), in any case of the letter.
bool is_zero_weight(std::string_view parameters) {
  const std::size_t at = std::min(parameters.find("q="), parameters.find("Q="));
  if (at == std::string_view::npos) return false;
  const std::string_view weight = trim(parameters.substr(at + 2, parameters.find(';', at) - (at + 2)));
  return !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool accepts_coding(std::string_view accept_encoding, std::string_view wanted) {
  std::optional<bool> named;
  std::optional<bool> any;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view item = trim(accept_encoding.substr(0, comma));
    accept_encoding.remove_prefix(comma == std::string_view::npos ? accept_encoding.size() : comma + 1);
    const std::size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view coding = trim(item.substr(0, semicolon));
    const bool allowed = !is_zero_weight(item.substr(semicolon));
    // An `x-gzip` is the same as a `gzip` (section 8.4.1.3).
    if (equals_ignoring_case(coding, wanted) || (wanted == "gzip" && equals_ignoring_case(coding, "x-gzip")))
      named = allowed;
    if (coding == "*") any = allowed;
  }
  return named.value_or(any.value_or(false));
}

bool accepts_gzip(std::string_view accept_encoding) { return accepts_coding(accept_encoding, "gzip"); }

void encode_content(HttpResponse& response, bool takes_gzip, std::size_t bytes_min, Deflater& deflater) {
  if (response.body.size() < bytes_min) return;
  response.fields.add("Vary", "Accept-Encoding");
  if (!takes_gzip) return;
  std::string body;
  deflater.append_whole(body, response.body);
  response.body = std::move(body);
  response.fields.add("Content-Encoding", "gzip");
}

}  // namespace famemely
