// A permissions file of any bytes: read or refused in words, within the bounds; and rules that were read decide as they
// do when they are gone through one by one. What follows the first NUL is the topic that is asked about.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "app/permissions_yaml.hpp"
#include "base/utf8.hpp"
#include "gateway/permissions.hpp"
#include "protocol/mqtt/topic_algebra.hpp"

namespace {

using namespace famemely;
using namespace famemely::gateway;

constexpr std::size_t kFaultBytesMax = 50'000;

const Identity& somebody() {
  static const Identity identity =
      make_identity("u1", R"({"sub":"u1","role":"editor","team":"red","wild":"+","n":7,"app_metadata":{"ok":true}})",
                    RoleClaims::defaults(), std::nullopt, false);
  return identity;
}

template <typename Decides>
Decision reference(const PermissionRules& rules, Decides decides) {
  const TokenValues values(somebody());
  for (std::size_t index = 0; index < rules.rules.size(); ++index) {
    const PermissionRule& rule = rules.rules[index];
    if (!rule.concerns(somebody(), values)) continue;
    const bool allow = rule.effect == PermissionRule::Effect::allow;
    const auto missing = allow ? TopicTemplate::Missing::never_matches : TopicTemplate::Missing::matches_any_level;
    for (const TopicTemplate& topic : rule.topics)
      if (const auto filter = topic.filter_for(values, missing); filter && decides(rule, *filter))
        return {.allowed = allow, .ground = Decision::Ground::rule, .rule = index};
  }
  return {};
}

void check_decisions(const PermissionRules& rules, std::string_view text) {
  const Permissions permissions(std::make_shared<const PermissionPolicy>(rules), somebody());
  if (const auto topic = mqtt::TopicName::parse(text)) {
    const Decision expected = reference(rules, [&](const PermissionRule& rule, const mqtt::TopicFilter& filter) {
      return rule.publish && mqtt::matches(filter, *topic);
    });
    if (permissions.decide_publish(*topic) != expected) std::abort();
  }
  const auto wanted = mqtt::TopicFilter::parse(text);
  if (!wanted) return;
  const Decision expected = reference(rules, [&](const PermissionRule& rule, const mqtt::TopicFilter& filter) {
    if (!rule.subscribe) return false;
    return rule.effect == PermissionRule::Effect::allow ? mqtt::covers(filter, *wanted)
                                                        : mqtt::overlaps(filter, *wanted);
  });
  if (permissions.decide_subscribe(*wanted) != expected) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const auto loaded = app::parse_permissions(input.substr(0, end), "p.yaml");
  if (!loaded) {
    const std::string& fault = loaded.error();
    if (!fault.starts_with("p.yaml") || fault.size() > kFaultBytesMax || !is_utf8(fault)) std::abort();
    return 0;
  }
  for (const PermissionRule& rule : loaded->rules.rules)
    if (rule.topics.empty() || (!rule.publish && !rule.subscribe) || rule.line == 0) std::abort();
  check_decisions(loaded->rules, end < input.size() ? input.substr(end + 1) : "a/b");
  return 0;
}
