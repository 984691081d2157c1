#include "protocol/jwt/signer.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdexcept>

#include "base/base64.hpp"

namespace famemely::jwt {

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
           bytes.size(), reinterpret_cast<unsigned char*>(mac.data()), &size) == nullptr)
    throw std::runtime_error("HMAC-SHA-256 is not available");
  mac.resize(size);
  return mac;
}

std::string sign_hs256(std::string_view secret, std::string_view header_json, std::string_view payload_json) {
  std::string token = base64url_encode(header_json) + '.' + base64url_encode(payload_json);
  token += '.' + base64url_encode(hmac_sha256(secret, token));
  return token;
}

std::string sign_hs256(std::string_view secret, std::string_view payload_json) {
  return sign_hs256(secret, R"({"alg":"HS256","typ":"JWT"})", payload_json);
}

}  // namespace famemely::jwt
