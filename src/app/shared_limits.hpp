#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "app/config.hpp"
#include "base/limit_counters.hpp"
#include "gateway/user_account.hpp"
#include "serving/accounts.hpp"
#include "serving/connection_limits.hpp"

namespace famemely::app {

/// The users' accounts of this process.
class SharedUserAccounts final : public gateway::UserAccounts {
 public:
  explicit SharedUserAccounts(gateway::UserLimits limits) : limits_(limits) {}

  [[nodiscard]] const gateway::UserLimits& limits() const override { return limits_; }
  [[nodiscard]] std::shared_ptr<gateway::UserAccount> of(std::string_view user_id, Instant now) override {
    return accounts_.of(user_id, now);
  }

 private:
  const gateway::UserLimits limits_;
  serving::Accounts<gateway::UserAccount> accounts_;
};

/// What all workers and the link count together.
struct SharedLimits {
  explicit SharedLimits(const Config& config);

  LimitCounters counters;
  SharedUserAccounts users;
  serving::ConnectionLimits connections;
};

}  // namespace famemely::app
