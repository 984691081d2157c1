// What a permission check costs with few and many rules, the first time and as one that is remembered, and what a new
// token costs. Each figure is the median of several rounds; one line of JSON each.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "gateway/permissions.hpp"

namespace {

using namespace famemely;
using namespace famemely::gateway;

constexpr int kRounds = 21;
constexpr std::size_t kQuestions = 2'000;

/// What a file of many rules may look like.
enum class Shape { rooms, roles, placeholders };
const char* name_of(Shape shape) {
  switch (shape) {
    case Shape::rooms:
      return "a rule for each of many topics";
    case Shape::roles:
      return "a rule for each of many roles";
    case Shape::placeholders:
      return "each rule with a placeholder";
  }
  return "";
}

std::shared_ptr<const PermissionPolicy> make_policy(Shape shape, std::size_t count) {
  PermissionRules rules;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    PermissionRule rule{.effect = i % 8 == 7 ? PermissionRule::Effect::deny : PermissionRule::Effect::allow,
                        .publish = true,
                        .subscribe = true};
    const std::string topic = shape == Shape::placeholders ? "rooms/" + n + "/{sub}/#" : "rooms/" + n + "/#";
    rule.topics.push_back(*TopicTemplate::parse(topic));
    if (shape == Shape::roles) rule.roles = {"role" + n};
    rules.rules.push_back(std::move(rule));
  }
  return std::make_shared<const PermissionPolicy>(std::move(rules));
}

double now_ns() {
  return static_cast<double>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

/// Nanoseconds for one of `count` calls: the median of the rounds.
template <typename Call>
double measure(std::size_t count, Call call) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = now_ns();
    for (std::size_t i = 0; i < count; ++i) call(i);
    rounds.push_back((now_ns() - begin) / static_cast<double>(count));
  }
  std::ranges::nth_element(rounds, rounds.begin() + kRounds / 2);
  return rounds[kRounds / 2];
}

void run(Shape shape, std::size_t count) {
  const auto policy = make_policy(shape, count);
  const Identity identity =
      make_identity("u1", R"({"sub":"u1","role":"role0"})", RoleClaims::defaults(), std::nullopt, false);
  const Permissions permissions(policy, identity);
  // More topics than are remembered, from all over the file, so that none is when its turn comes again.
  std::vector<mqtt::TopicName> topics;
  std::vector<mqtt::TopicFilter> filters;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    const std::string text = "rooms/" + std::to_string(i * 7919 % count) + "/u1/" + std::to_string(i);
    topics.push_back(*mqtt::TopicName::parse(text));
    filters.push_back(*mqtt::TopicFilter::parse(text + "/+"));
  }
  std::size_t allowed = 0;
  const double publish =
      measure(kQuestions, [&](std::size_t i) { allowed += permissions.decide_publish(topics[i]).allowed; });
  const double subscribe =
      measure(kQuestions, [&](std::size_t i) { allowed += permissions.decide_subscribe(filters[i]).allowed; });
  const double again =
      measure(kQuestions, [&](std::size_t i) { allowed += permissions.decide_publish(topics[i % 16]).allowed; });
  const auto everything = mqtt::TopicFilter::parse("#").value();
  // Each time as another token's, which remembers nothing.
  const double wide =
      measure(10, [&](std::size_t) { allowed += Permissions(policy, identity).decide_subscribe(everything).allowed; });
  const double token = measure(100, [&](std::size_t) { allowed += Permissions(policy, identity).remembered(); });
  std::printf(
      "{\"rules\":%zu,\"shape\":\"%s\",\"publish_ns\":%.0f,\"subscribe_ns\":%.0f,\"remembered_ns\":%.0f,"
      "\"token_and_subscribe_to_all_ns\":%.0f,\"token_ns\":%.0f,\"allowed\":%zu}\n",
      count, name_of(shape), publish, subscribe, again, wide, token, allowed);
}

}  // namespace

int main() {
  for (const Shape shape : {Shape::rooms, Shape::roles, Shape::placeholders})
    for (const std::size_t count : {10U, 1'000U, 10'000U}) run(shape, count);
}
