#include "serving/trusted_proxies.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace famemely::serving {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// All values of the fields of that name, as one list (RFC 9110 section 5.3).
std::string joined(const HttpFields& fields, std::string_view name) {
  std::string list;
  for (const auto& [field, value] : fields) {
    if (!equals_ignoring_case(field, name)) continue;
    if (!list.empty()) list += ',';
    list += value;
  }
  return list;
}

/// Takes the last item off the list.
std::string_view take_last(std::string_view& list) {
  const std::size_t comma = list.rfind(',');
  const std::string_view item = comma == list.npos ? list : list.substr(comma + 1);
  list = comma == list.npos ? std::string_view() : list.substr(0, comma);
  return trimmed(item);
}

/// An address as proxies write it: alone, with a port, or IPv6 in brackets with or without one.
std::optional<IpAddress> forwarded_address(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    return end == text.npos ? std::nullopt : IpAddress::parse(text.substr(1, end - 1));
  }
  if (std::ranges::count(text, ':') == 1) text = text.substr(0, text.find(':'));
  return IpAddress::parse(text);
}

}  // namespace

bool TrustedProxies::trusts(const IpAddress& address) const {
  return std::ranges::any_of(ranges_, [&](const AddressRange& range) { return range.contains(address); });
}

RequestSender TrustedProxies::sender_of(const HttpFields& fields, const RequestSender& peer) const {
  RequestSender sender = peer;
  if (!trusts(peer.address)) return sender;
  const std::string proto = joined(fields, "X-Forwarded-Proto");
  std::string_view protos = proto;
  if (!protos.empty()) sender.secure = equals_ignoring_case(take_last(protos), "https");
  const std::string forwarded = joined(fields, "X-Forwarded-For");
  std::string_view hops = forwarded;
  while (!hops.empty()) {
    const auto hop = forwarded_address(take_last(hops));
    if (!hop) break;
    sender.address = *hop;
    if (!trusts(*hop)) break;
  }
  return sender;
}

}  // namespace famemely::serving
