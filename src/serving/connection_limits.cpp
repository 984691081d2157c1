#include "serving/connection_limits.hpp"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <utility>

#include "serving/ip_address.hpp"

namespace famemely::serving {
namespace {

constexpr int kTooMany = 429;
constexpr int kOverloaded = 503;
constexpr std::uint32_t kAny = std::numeric_limits<std::uint32_t>::max();

std::string account_name(std::string_view address) {
  const auto parsed = IpAddress::parse(address);
  return parsed ? parsed->account_name() : std::string(address);
}

/// What has been taken, until it is given back.
struct Taken {
  Taken(Allowance& all, std::shared_ptr<AddressAccount> address_account, Allowance AddressAccount::*member)
      : in_all(all), account(std::move(address_account)), of_address(member) {}
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  ~Taken() {
    in_all.give_back();
    if (account) ((*account).*of_address).give_back();
  }

  Allowance& in_all;
  std::shared_ptr<AddressAccount> account;
  Allowance AddressAccount::*of_address;
};

}  // namespace

Result<ConnectionLimits::Place, ConnectionLimits::Refusal> ConnectionLimits::take(
    Allowance& in_all, Allowance AddressAccount::*of_address, std::optional<std::string_view> address, Limit limit,
    Instant now) {
  if (!in_all.take(options_.in_all.value_or(kAny))) {
    counters_.count(Limit::connections);
    return failure(Refusal{kOverloaded, "Too many connections"});
  }
  std::shared_ptr<AddressAccount> account;
  if (address && options_.per_address) {
    account = addresses_.of(account_name(*address), now);
    if (!((*account).*of_address).take(*options_.per_address)) {
      in_all.give_back();
      counters_.count(limit);
      return failure(
          Refusal{kTooMany, fmt::format("Too many connections: an address may have {}", *options_.per_address)});
    }
  }
  return std::make_shared<Taken>(in_all, std::move(account), of_address);
}

Result<ConnectionLimits::Place, ConnectionLimits::Refusal> ConnectionLimits::connect(
    std::optional<std::string_view> address, Instant now) {
  if (!options_.in_all && !options_.per_address) return Place();
  return take(connections_, &AddressAccount::connections, address, Limit::connections_per_address, now);
}

Result<ConnectionLimits::Place, ConnectionLimits::Refusal> ConnectionLimits::admit(std::string_view remote_address,
                                                                                   Instant now) {
  if (!options_.in_all && !options_.per_address) return Place();
  return take(sessions_, &AddressAccount::sessions, remote_address, Limit::sessions_per_address, now);
}

std::optional<ConnectionLimits::Refusal> ConnectionLimits::refuse_request(std::string_view address, Instant now) {
  if (!options_.requests_per_address) return std::nullopt;
  if (!addresses_.of(account_name(address), now)->requests.take(now, *options_.requests_per_address))
    return std::nullopt;
  counters_.count(Limit::request_rate_per_address);
  return Refusal{kTooMany, fmt::format("Too many requests: an address may send {} a second",
                                       options_.requests_per_address->per_second)};
}

}  // namespace famemely::serving
