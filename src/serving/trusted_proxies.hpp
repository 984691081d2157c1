#pragma once

#include <string>
#include <vector>

#include "base/http_message.hpp"
#include "serving/ip_address.hpp"

namespace famemely::serving {

/// Who sent a request, as far as the peers tell whose word counts.
struct RequestSender {
  IpAddress address;
  bool secure = false;  // over TLS

  bool operator==(const RequestSender&) const = default;
};

/// The proxies whose word on their clients counts (`TRUST_PROXY`). Anybody can send `X-Forwarded-For`: it is looked at
/// only if it comes from one of these, from its right end, where the last proxy wrote whom it spoke to.
class TrustedProxies {
 public:
  TrustedProxies() = default;
  explicit TrustedProxies(std::vector<AddressRange> ranges) : ranges_(std::move(ranges)) {}

  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] bool trusts(const IpAddress& address) const;
  /// `peer` is who is connected to us, and how. The first address from the right that is no trusted proxy's is the
  /// client's; where the list ends before, or holds what is no address, it is the last trusted one.
  [[nodiscard]] RequestSender sender_of(const HttpFields& fields, const RequestSender& peer) const;

 private:
  std::vector<AddressRange> ranges_;
};

}  // namespace famemely::serving
