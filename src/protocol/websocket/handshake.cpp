#include "protocol/websocket/handshake.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

#include "base/base64.hpp"

namespace famemely::websocket {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeyBytes = 16;

}  // namespace

std::string accept_value(std::string_view key) {
  std::string text(key);
  text += kGuid;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64_encode({reinterpret_cast<const char*>(digest.data()), size});
}

bool wants_upgrade(const HttpFields& fields) {
  return list_has_token(fields.value_or("Connection", ""), "upgrade") &&
         list_has_token(fields.value_or("Upgrade", ""), "websocket");
}

bool wants_websocket(const HttpRequest& request) { return request.method == "GET" && wants_upgrade(request.fields); }

std::optional<std::string> check_upgrade(const HttpRequest& request) {
  if (request.method != "GET") return "A WebSocket handshake is a GET request";
  if (!wants_upgrade(request.fields)) return "Upgrade: websocket is missing";
  if (request.fields.value_or("Sec-WebSocket-Version", "") != "13") return "Sec-WebSocket-Version must be 13";
  const auto key = base64_decode(request.fields.value_or("Sec-WebSocket-Key", ""));
  if (!key || key->size() != kKeyBytes) return "Sec-WebSocket-Key must be 16 bytes in base64";
  return std::nullopt;
}

HttpResponse accept_upgrade(const HttpRequest& request) {
  HttpResponse response;
  response.status = 101;
  response.fields.add("Upgrade", "websocket");
  response.fields.add("Connection", "Upgrade");
  response.fields.add("Sec-WebSocket-Accept", accept_value(request.fields.value_or("Sec-WebSocket-Key", "")));
  return response;
}

}  // namespace famemely::websocket
