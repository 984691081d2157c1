#include "app/permissions_check.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/base64.hpp"
#include "base/json_text.hpp"
#include "gateway/api_keys.hpp"
#include "gateway/permissions.hpp"
#include "protocol/jwt/verifier.hpp"
#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::app {
namespace {

using gateway::Decision;
using gateway::Identity;
using gateway::PermissionRule;
using gateway::TokenValues;
using gateway::TopicTemplate;

/// The claims in the middle of a token.
Result<std::string, std::string> claims_of(std::string_view token) {
  if (token.starts_with("fmk_"))
    return failure(std::string("--token: this is an API key; give its user and role: --sub key:NAME --role ROLE"));
  const auto first = token.find('.');
  const auto second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second != token.npos)
    if (auto claims = base64url_decode(token.substr(first + 1, second - first - 1)))
      if (const auto view = JsonView::parse(*claims); view && view->kind() == JsonKind::object)
        return *std::move(claims);
  return failure(std::string("--token: not a JSON Web Token: three parts separated by dots are expected"));
}

bool is_about_key(const PermissionQuestion& question) {
  return !question.token && question.claims.subject.starts_with(gateway::kKeyUserPrefix);
}

Result<Identity, std::string> key_identity_of(const TokenRequest& request) {
  const std::string name = request.subject.substr(gateway::kKeyUserPrefix.size());
  for (const auto& [flag, word] : {std::pair("--sub key:NAME", name), std::pair("--role", request.role)})
    if (!gateway::is_api_key_word(word))
      return failure(
          fmt::format("{}: {} is not allowed for an API key; allowed: letters, digits, '.', '_' and '-', at "
                      "most {}",
                      flag, json_string(word), gateway::kApiKeyWordBytesMax));
  if (!request.claims.empty()) return failure(std::string("--claim: an API key has no claims but its user and role"));
  return gateway::make_key_identity(name, request.role, "");
}

Result<Identity, std::string> identity_of(const PermissionQuestion& question, const Config& config, WallTime now) {
  if (is_about_key(question)) return key_identity_of(question.claims);
  std::string claims;
  if (question.token) {
    auto given = claims_of(*question.token);
    if (!given) return failure(std::move(given.error()));
    claims = *std::move(given);
  } else {
    claims = token_claims(question.claims, config, now);
  }
  const auto view = JsonView::parse(claims);
  const auto text = [&](std::string_view name) {
    const auto claim = view->find(name);
    return claim ? claim->as_string().value_or("") : std::string();
  };
  std::string subject = text("sub");
  // A service key of a legacy project is nobody else's, whatever its `sub`.
  if (text("role") == "service_role" && (subject.empty() || jwt::is_supabase_issuer(text("iss"))))
    subject = "service_role";
  if (subject.empty()) return failure(std::string("--token: sub is missing: nobody would be signed in by this token"));
  return gateway::make_identity(std::move(subject), std::move(claims),
                                gateway::RoleClaims::parse(config.jwt_role_claims).value(), std::nullopt, false);
}

std::string list_of(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

/// The rule in one line, and the topic of it that decided.
template <typename Decides>
std::string describe(const PermissionRule& rule, const Identity& identity, Decides decides) {
  std::vector<std::string> operations;
  if (rule.publish) operations.emplace_back("publish");
  if (rule.subscribe) operations.emplace_back("subscribe");
  const bool allow = rule.effect == PermissionRule::Effect::allow;
  std::string text = fmt::format("  {}: [{}]", allow ? "allow" : "deny", list_of(operations));
  if (!rule.roles.empty()) text += fmt::format(", roles: [{}]", list_of(rule.roles));
  if (!rule.claims.empty()) {
    std::vector<std::string> names;
    for (const auto& claim : rule.claims) names.push_back(claim.claim.text());
    text += fmt::format(", by the claims {}", list_of(names));
  }
  const TokenValues values(identity);
  for (const TopicTemplate& topic : rule.topics) {
    const auto filter = topic.filter_for(
        values, allow ? TopicTemplate::Missing::never_matches : TopicTemplate::Missing::matches_any_level);
    if (!filter || !decides(*filter)) continue;
    text += fmt::format(", topic: {}", topic.text());
    if (filter->text() != topic.text()) text += fmt::format(" (here {})", filter->text());
    break;
  }
  return text + "\n";
}

}  // namespace

Result<PermissionAnswer, std::string> check_permission(const PermissionQuestion& question,
                                                       const std::shared_ptr<const gateway::PermissionPolicy>& policy,
                                                       const Config& config, WallTime now) {
  if (question.operation != "publish" && question.operation != "subscribe")
    return failure(
        fmt::format("permissions check: \"{}\" is not allowed; allowed: publish, subscribe", question.operation));
  const bool publishes = question.operation == "publish";
  const auto topic = mqtt::TopicName::parse(question.topic);
  const auto filter = mqtt::TopicFilter::parse(question.topic);
  if (publishes && !topic) return failure("permissions check: " + topic.error());
  if (!publishes && !filter) return failure("permissions check: " + filter.error());
  const auto identity = identity_of(question, config, now);
  if (!identity) return failure(identity.error());

  const gateway::Permissions permissions(policy, *identity);
  const Decision decision = publishes ? permissions.decide_publish(*topic) : permissions.decide_subscribe(*filter);
  PermissionAnswer answer{.allowed = decision.allowed, .text = {}};
  answer.text = fmt::format(
      "{}: {} ({}) may {}{} to {}\n{}\n", decision.allowed ? "allowed" : "denied", json_string(identity->user_id),
      identity->roles.empty() ? "no role" : "role " + list_of(identity->roles), decision.allowed ? "" : "not ",
      question.operation, question.topic, to_text(decision, *policy));
  if (decision.ground == Decision::Ground::rule)
    answer.text += describe(policy->rule(decision.rule), *identity, [&](const mqtt::TopicFilter& of_rule) {
      if (publishes) return mqtt::matches(of_rule, *topic);
      return decision.allowed ? mqtt::covers(of_rule, *filter) : mqtt::overlaps(of_rule, *filter);
    });
  // A token that `famemely-mqtt token` makes with this role would not have it either.
  const std::string& role = question.claims.role;
  if (!question.token && !role.empty() && !identity->has_role(role))
    answer.text += fmt::format("--role is the claim role, which gives no role here: JWT_ROLE_CLAIMS is {}\n",
                               json_string(config.jwt_role_claims));
  return answer;
}

}  // namespace famemely::app
