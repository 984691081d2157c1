#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "base/limit_counters.hpp"
#include "base/random_source.hpp"
#include "gateway/ports.hpp"
#include "gateway/upstream_filters.hpp"
#include "gateway/user_account.hpp"

namespace famemely::gateway {

/// The subscriptions that belong to users. Each delivers to all sockets of its user, on whatever worker, and is held at
/// the broker only while there are any. They are kept in memory.
class UserSubscriptions {
 public:
  /// Without accounts a user may have as many as wished.
  UserSubscriptions(UpstreamFilters& filters, RandomSource& random, UserAccounts* accounts = nullptr,
                    LimitCounters* limit_counters = nullptr)
      : filters_(filters),
        random_(random),
        accounts_(accounts && accounts->limits().subscriptions ? accounts : nullptr),
        limit_counters_(limit_counters) {}

  void subscribe(const UserSubscribeCommand& command, Instant now);
  void unsubscribe(const UserUnsubscribeCommand& command);
  void on_presence(const UserPresenceCommand& command);
  /// A session of the user comes to this worker, which may not hold the user's filters yet: it does from now on, those
  /// of them that the session had heard.
  void bring(const std::string& user_id, WorkerIndex worker, std::span<const MessageInterest> heard);
  /// What the link itself (kLink) had asked of the filters.
  void on_answer(const SubscribeAnswer& answer, WallTime now);

  void add_to(Survey& survey, const SurveyScope& scope) const;
  /// For the workers, in this order; the caller empties it.
  [[nodiscard]] std::vector<std::pair<WorkerIndex, WorkerEvent>>& events() { return events_; }

 private:
  using Shared = std::shared_ptr<const UserSubscription>;
  struct User {
    WorkerSet workers = 0;                   // with sockets of the user
    std::map<std::string, Shared> held;      // by the filter's text
    std::shared_ptr<UserAccount> account{};  // in which they are counted, if they are

    [[nodiscard]] bool forgettable() const { return workers == 0 && held.empty(); }
  };
  /// A question to the broker that has no answer yet: for a new subscription, or for an old one because the user has
  /// come to a worker.
  struct Question {
    std::string user_id;
    mqtt::TopicFilter filter;
    std::uint8_t qos;
    WorkerIndex worker;
    std::optional<RequestId> request;
    std::shared_ptr<UserAccount> account{};  // where subscriptions are counted
    bool is_counted = false;                 // until it is known whether it makes a subscription
  };

  [[nodiscard]] bool holds(const std::string& user_id, const mqtt::TopicFilter& filter) const;
  /// False, and answered, if the user has as many as there may be.
  [[nodiscard]] bool count_in(Question& question);
  void ask(Question question, Instant deadline);
  void on_granted(Question& question, const Granted& granted, WallTime now);
  void add_to(Survey& survey, const SurveyScope& scope, const User& user) const;

  UpstreamFilters& filters_;
  RandomSource& random_;
  UserAccounts* accounts_;
  LimitCounters* limit_counters_;
  std::unordered_map<std::string, User> users_;
  std::unordered_map<RequestId, Question> questions_;
  RequestId last_question_ = 0;
  std::vector<std::pair<WorkerIndex, WorkerEvent>> events_;
};

}  // namespace famemely::gateway
