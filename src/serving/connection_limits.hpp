#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/allowance.hpp"
#include "base/limit_counters.hpp"
#include "base/token_bucket.hpp"
#include "protocol/engineio/admission.hpp"
#include "serving/accounts.hpp"

namespace famemely::serving {

/// Nothing: as many as come.
struct ConnectionLimitOptions {
  std::optional<std::uint32_t> in_all{};
  std::optional<std::uint32_t> per_address{};
  std::optional<Rate> requests_per_address{};

  [[nodiscard]] bool any() const { return in_all || per_address || requests_per_address; }
};

/// What is counted of one address.
struct AddressAccount {
  Allowance connections;
  Allowance sessions;
  TokenBucket requests;

  [[nodiscard]] bool empty(Instant now) const {
    return connections.taken() == 0 && sessions.taken() == 0 && requests.full(now);
  }
};

/// How many connections and Engine.IO sessions there are, in all and of each address, and how fast requests come; of
/// all workers together. A session that polls may have a connection or none, so both are counted, each up to the same
/// number. Callable from any thread.
class ConnectionLimits final : public engineio::Admission {
 public:
  ConnectionLimits(const ConnectionLimitOptions& options, LimitCounters& counters)
      : options_(options), counters_(counters) {}

  [[nodiscard]] const ConnectionLimitOptions& limits() const { return options_; }

  /// A TCP connection that has been accepted. `address`: nothing if it is a proxy's, which speaks for many.
  [[nodiscard]] Result<Place, Refusal> connect(std::optional<std::string_view> address, Instant now);
  [[nodiscard]] Result<Place, Refusal> admit(std::string_view remote_address, Instant now) override;
  /// A request of that address, before anything of it is looked at; the refusal if it is one too many.
  [[nodiscard]] std::optional<Refusal> refuse_request(std::string_view address, Instant now) override;

 private:
  [[nodiscard]] Result<Place, Refusal> take(Allowance& in_all, Allowance AddressAccount::*of_address,
                                            std::optional<std::string_view> address, Limit limit, Instant now);

  const ConnectionLimitOptions options_;
  LimitCounters& counters_;
  Allowance connections_;
  Allowance sessions_;
  Accounts<AddressAccount> addresses_;
};

}  // namespace famemely::serving
