#include "io/tls_layer.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

#include "serving/openssl_error.hpp"

namespace famemely::io {
namespace {

/// Reasons of OpenSSL's from here on are alerts that the peer has sent, by their number in RFC 8446 section 6.
constexpr int kAlertReasons = SSL_AD_REASON_OFFSET;

/// The DNS names and addresses that a certificate is for, a few of them.
std::string names_of(X509* certificate) {
  constexpr int kNamesMax = 5;
  std::string names;
  const auto add = [&](std::string_view name) { names.append(names.empty() ? "" : ", ").append(name); };
  auto* list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const int count = sk_GENERAL_NAME_num(list);
  for (int i = 0; i < count && i < kNamesMax; ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type));
    const std::string_view bytes(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
        type == GEN_DNS || type == GEN_IPADD ? static_cast<std::size_t>(ASN1_STRING_length(value)) : 0);
    if (type == GEN_DNS && std::string_view(bytes).find_first_not_of(
                               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*") == bytes.npos)
      add(bytes);
    if (type == GEN_IPADD && bytes.size() == 4) {
      boost::asio::ip::address_v4::bytes_type address;
      std::copy(bytes.begin(), bytes.end(), address.begin());
      add(boost::asio::ip::address_v4(address).to_string());
    }
    if (type == GEN_IPADD && bytes.size() == 16) {
      boost::asio::ip::address_v6::bytes_type address;
      std::copy(bytes.begin(), bytes.end(), address.begin());
      add(boost::asio::ip::address_v6(address).to_string());
    }
  }
  if (count > kNamesMax) add("…");
  GENERAL_NAMES_free(list);
  return names;
}

}  // namespace

TlsLayer::TlsLayer(const TlsContext& context, std::string_view host, std::string_view peer)
    : engine_(context.handle()), peer_(peer) {
  SSL* const ssl = engine_.handle();
  SSL_set_connect_state(ssl);
  SSL_set_ex_data(ssl, 0, this);
  SSL_set_verify(ssl, SSL_get_verify_mode(ssl), on_verified);

  // A zone says where an address is, not who answers there; a dot at the end says that the name is whole.
  host = host.substr(0, host.find('%'));
  if (host.ends_with('.')) host.remove_suffix(1);
  host_ = host;
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host_, not_an_address);
  if (!not_an_address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host_.c_str());
  } else {
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host_.data());  // SNI
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, host_.c_str());
  }
}

int TlsLayer::on_verified(int good, X509_STORE_CTX* store) {
  const int error = X509_STORE_CTX_get_error(store);
  if (good == 1 || (error != X509_V_ERR_HOSTNAME_MISMATCH && error != X509_V_ERR_IP_ADDRESS_MISMATCH)) return good;
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (certificate) static_cast<TlsLayer*>(SSL_get_ex_data(ssl, 0))->names_ = names_of(certificate);
  return good;
}

void TlsLayer::begin(std::string& wire) { engine_.begin(wire); }

Result<void, std::string> TlsLayer::on_received(std::string_view bytes, std::string& clear, std::string& wire) {
  using State = serving::TlsEngine::State;
  const State state = engine_.receive(bytes, clear, wire);
  if (state == State::failed) return failure(describe_fault());
  if (state == State::ended) ended_ = true;
  return {};
}

void TlsLayer::send(std::string_view clear, std::string& wire) {
  if (!clear.empty()) engine_.send(clear, wire);  // memory takes all of it
}

void TlsLayer::close(std::string& wire) { engine_.close(wire); }

std::string TlsLayer::describe_fault() const {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  std::string words = serving::take_openssl_error(peer_ + " broke the protocol");
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return words;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return describe_verify_fault();
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG)
    return peer_ + " does not speak TLS on this port (" + words + ")";
  if (reason >= kAlertReasons && reason <= kAlertReasons + 255) {
    // "tlsv13 alert certificate required": which version first named the alert is nobody's concern.
    constexpr std::string_view kMark = "alert ";
    if (const std::size_t at = words.find(kMark); at != words.npos) words.erase(0, at + kMark.size());
    return peer_ + " sent the alert " + words;
  }
  return words;
}

std::string TlsLayer::describe_verify_fault() const {
  const long result = SSL_get_verify_result(engine_.handle());
  switch (result) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return peer_ + "'s certificate is self-signed";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "unknown CA: " + peer_ +
             "'s certificate comes from an authority that is not trusted here (its self-signed certificate is in the "
             "chain)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "unknown CA: " + peer_ + "'s certificate comes from an authority that is not trusted here, or " + peer_ +
             " leaves out a certificate between";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return peer_ + "'s certificate, or one it depends on, has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return peer_ + "'s certificate, or one it depends on, is not valid yet";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "host name mismatch: " + peer_ + "'s certificate is not for " + host_ +
             (names_.empty() ? std::string() : " but for " + names_);
    default:
      return fmt::format("{}'s certificate is not accepted: {}", peer_, X509_verify_cert_error_string(result));
  }
}

}  // namespace famemely::io
