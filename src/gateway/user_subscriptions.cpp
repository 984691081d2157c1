#include "gateway/user_subscriptions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "gateway/uuid.hpp"

namespace famemely::gateway {

void UserSubscriptions::ask(Question question, Instant deadline) {
  const RequestId token = ++last_question_;
  const SubscribeCommand command{kLink, token, question.filter, question.qos};
  questions_.emplace(token, std::move(question));
  filters_.ask(command, deadline);
}

bool UserSubscriptions::holds(const std::string& user_id, const mqtt::TopicFilter& filter) const {
  const auto user = users_.find(user_id);
  return user != users_.end() && user->second.held.contains(filter.text());
}

bool UserSubscriptions::count_in(Question& question) {
  question.is_counted = question.account->subscriptions.take(*accounts_->limits().subscriptions);
  if (question.is_counted) return true;
  count(limit_counters_, Limit::subscriptions_per_user);
  events_.emplace_back(question.worker,
                       UserSubscribeAnswer{*question.request, failure(Error{ErrorCode::too_many_requests,
                                                                            "Too many subscriptions of this user"})});
  return false;
}

void UserSubscriptions::subscribe(const UserSubscribeCommand& command, Instant now) {
  Question question{command.user_id, command.filter, command.qos, command.worker, command.request};
  if (accounts_) question.account = accounts_->of(command.user_id, now);
  if (accounts_ && !holds(command.user_id, command.filter) && !count_in(question)) return;
  ask(std::move(question), now + UpstreamFilters::kAskTimeout);
}

void UserSubscriptions::unsubscribe(const UserUnsubscribeCommand& command) {
  const auto user = users_.find(command.user_id);
  const auto held =
      user == users_.end() ? decltype(User::held)::node_type{} : user->second.held.extract(command.filter.text());
  if (held.empty()) {
    events_.emplace_back(
        command.worker,
        UserUnsubscribeAnswer{command.request,
                              Error{ErrorCode::not_found, fmt::format("Not subscribed to {}", command.filter.text())}});
    return;
  }
  for (WorkerSet left = user->second.workers; left != 0; left &= left - 1)
    events_.emplace_back(static_cast<WorkerIndex>(std::countr_zero(left)), UserUnsubscribed{held.mapped()});
  if (user->second.account) user->second.account->subscriptions.give_back();
  if (user->second.forgettable()) users_.erase(user);
  events_.emplace_back(command.worker, UserUnsubscribeAnswer{command.request, std::nullopt});
}

void UserSubscriptions::on_presence(const UserPresenceCommand& command) {
  const WorkerSet bit = WorkerSet{1} << command.worker;
  User& user = users_[command.user_id];
  if (!command.present) {
    user.workers &= ~bit;
    if (user.forgettable()) users_.erase(command.user_id);
    return;
  }
  user.workers |= bit;
  for (const auto& [text, subscription] : user.held)
    ask({command.user_id, subscription->filter, subscription->qos, command.worker, std::nullopt}, kNever);
}

void UserSubscriptions::bring(const std::string& user_id, WorkerIndex worker, std::span<const MessageInterest> heard) {
  const auto user = users_.find(user_id);
  if (user == users_.end()) return;
  for (const auto& [text, held] : user->second.held) {
    const auto id = filters_.find(text);
    if (!id || std::ranges::count(heard, *id, &MessageInterest::audience) == 0) continue;
    events_.emplace_back(worker, UserSubscribed{held, filters_.hold(*id, worker, held->qos)});
  }
}

void UserSubscriptions::on_answer(const SubscribeAnswer& answer, WallTime now) {
  const auto found = questions_.find(answer.request);
  if (found == questions_.end()) return;
  Question question = std::move(found->second);
  questions_.erase(found);
  if (answer.outcome) {
    on_granted(question, *answer.outcome, now);
    filters_.release({kLink, answer.outcome->filter, std::numeric_limits<GrantNumber>::max()});
    return;
  }
  if (question.request) {
    if (question.is_counted) question.account->subscriptions.give_back();
    events_.emplace_back(question.worker, UserSubscribeAnswer{*question.request, failure(answer.outcome.error())});
    return;
  }
  const auto user = users_.find(question.user_id);
  if (user == users_.end()) return;
  if (const auto held = user->second.held.find(question.filter.text()); held != user->second.held.end())
    events_.emplace_back(question.worker, UserSubscriptionRefused{held->second, answer.outcome.error()});
}

void UserSubscriptions::on_granted(Question& question, const Granted& granted, WallTime now) {
  WorkerSet receivers = WorkerSet{1} << question.worker;
  if (question.request) {
    // What was held when it was asked for may have been given up since, and its place with it.
    if (question.account && !question.is_counted && !holds(question.user_id, question.filter) && !count_in(question))
      return;
    User& user = users_[question.user_id];
    Shared& held = user.held[question.filter.text()];
    if (held && question.is_counted) question.account->subscriptions.give_back();  // asked for twice at once
    if (!held) user.account = question.account;
    held = std::make_shared<const UserSubscription>(UserSubscription{.id = held ? held->id : make_uuid(random_),
                                                                     .user_id = question.user_id,
                                                                     .filter = question.filter,
                                                                     .qos = std::min(question.qos, granted.qos),
                                                                     .created_at = held ? held->created_at : now});
    receivers = user.workers;
  }
  const auto user = users_.find(question.user_id);
  if (user == users_.end()) return;
  const auto held = user->second.held.find(question.filter.text());
  if (held == user->second.held.end()) return;  // ended while the broker was asked
  for (WorkerSet left = receivers & user->second.workers; left != 0; left &= left - 1) {
    const auto worker = static_cast<WorkerIndex>(std::countr_zero(left));
    events_.emplace_back(worker,
                         UserSubscribed{held->second, filters_.hold(granted.filter, worker, held->second->qos)});
  }
  if (question.request) events_.emplace_back(question.worker, UserSubscribeAnswer{*question.request, held->second});
}

void UserSubscriptions::add_to(Survey& survey, const SurveyScope& scope) const {
  if (!scope.user_id) {
    for (const auto& [user_id, user] : users_) add_to(survey, scope, user);
  } else if (const auto found = users_.find(*scope.user_id); found != users_.end()) {
    add_to(survey, scope, found->second);
  }
}

void UserSubscriptions::add_to(Survey& survey, const SurveyScope& scope, const User& user) const {
  survey.subscription_count += user.held.size();
  survey.active_subscription_count += user.held.size();
  if (!scope.subscriptions) return;
  for (const auto& [text, held] : user.held)
    survey.subscriptions.push_back({.id = held->id,
                                    .topic = text,
                                    .qos = held->qos,
                                    .user_id = held->user_id,
                                    .created_at = held->created_at,
                                    .source = ListedSubscription::Source::rest});
}

}  // namespace famemely::gateway
