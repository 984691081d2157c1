#include "app/permissions_yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "app/values.hpp"
#include "base/utf8.hpp"

namespace famemely::app {
namespace {

using gateway::ClaimCondition;
using gateway::ClaimPath;
using gateway::PermissionRule;
using gateway::TopicTemplate;

constexpr std::size_t kFaultsToldMax = 20;
constexpr std::size_t kQuotedBytesMax = 100;
constexpr std::string_view kAllowedOfRule = "allowed: allow or deny, topics, roles, claims";

/// What the file says, shortened, for a fault.
std::string quoted(std::string_view text) {
  std::string shown(text.substr(0, kQuotedBytesMax));
  while (!is_utf8(shown)) shown.pop_back();  // not through the midst of a character
  return "\"" + shown + (text.size() > kQuotedBytesMax ? "…\"" : "\"");
}

/// Goes through the file before a tree is made of it: nodes that refer to others could refer to themselves.
class Guard final : public YAML::EventHandler {
 public:
  [[nodiscard]] int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark&) override { ++documents_; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases (*name) are not allowed; write it out, or quote a text that begins so");
  }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int documents_ = 0;
};

/// A plain scalar of YAML 1.2, or a text.
Result<ClaimCondition::Value, std::string> claim_value(const YAML::Node& node) {
  if (node.IsNull()) return std::monostate{};
  if (!node.IsScalar()) return failure(std::string("must be a single value; allowed: a text, number, boolean or null"));
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return text;  // in quotes
  const std::string word = lower_case(text);
  if (word == "true") return true;
  if (word == "false") return false;
  if (word == "yes" || word == "no" || word == "on" || word == "off")
    return failure(fmt::format("{} may be meant as a text or not; allowed: \"{}\" in quotes, true, false", text, text));
  if (auto number = Decimal::parse(text)) return *std::move(number);
  return text;
}

bool is_users_own(const ClaimPath& path) { return path.first_name() == "user_metadata"; }

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) { loaded_.rules.source = name_; }

  Result<LoadedRules, std::string> read(const YAML::Node& root) {
    if (!root.IsMap()) {
      fault(root, "the file must hold the key rules, such as rules: [{allow: [publish], topics: [\"a/#\"]}]");
      return outcome();
    }
    bool has_rules = false;
    for (const auto& member : root) {
      if (!key_is(member.first, "rules"))
        fault(member.first, fmt::format("the key {} is unknown; allowed: rules", quoted(text_of(member.first))));
      else if (std::exchange(has_rules, true))
        fault(member.first, "the key rules stands twice");
      else
        read_rules(member.second, member.first);
    }
    if (!has_rules) fault(root, "the key rules is missing");
    return outcome();
  }

 private:
  static bool key_is(const YAML::Node& node, std::string_view key) { return node.IsScalar() && node.Scalar() == key; }
  static std::string text_of(const YAML::Node& node) { return node.IsScalar() ? node.Scalar() : "(no text)"; }

  void fault(const YAML::Node& node, std::string_view what) {
    ++fault_count_;
    if (fault_count_ > kFaultsToldMax) return;
    faults_ += fmt::format("{}{}:{}: {}", faults_.empty() ? "" : "\n", name_, node.Mark().line + 1, what);
  }
  void warn(const YAML::Node& node, std::string_view what) {
    if (loaded_.warnings.size() < kFaultsToldMax)
      loaded_.warnings.push_back(fmt::format("{}:{}: {}", name_, node.Mark().line + 1, what));
  }

  Result<LoadedRules, std::string> outcome() {
    if (fault_count_ == 0) return std::move(loaded_);
    if (fault_count_ > kFaultsToldMax) faults_ += fmt::format("\n… and {} more", fault_count_ - kFaultsToldMax);
    return failure(std::move(faults_));
  }

  void read_rules(const YAML::Node& node, const YAML::Node& key) {
    if (!node.IsSequence()) return fault(key, "rules must be a list; allowed: rules: [] for none");
    if (node.size() > kPermissionRulesMax)
      return fault(key, fmt::format("rules has {} entries; allowed: {}", node.size(), kPermissionRulesMax));
    for (const YAML::Node& entry : node) {
      where_ = fmt::format("rule {}", loaded_.rules.rules.size() + 1);
      loaded_.rules.rules.push_back(read_rule(entry));
    }
  }

  PermissionRule read_rule(const YAML::Node& node) {
    PermissionRule rule;
    rule.line = static_cast<std::size_t>(node.Mark().line) + 1;
    if (!node.IsMap()) {
      fault(node, fmt::format("{} must have keys and values; {}", where_, kAllowedOfRule));
      return rule;
    }
    std::set<std::string> seen;
    for (const auto& member : node) {
      const std::string key = text_of(member.first);
      if (!seen.insert(key).second)
        fault(member.first, fmt::format("{}: the key {} stands twice", where_, quoted(key)));
      else
        read_member(rule, key, member.first, member.second);
    }
    if (seen.contains("allow") == seen.contains("deny"))
      fault(node, fmt::format("{} must have one of the keys allow and deny", where_));
    if (!seen.contains("topics")) fault(node, fmt::format("{}: the key topics is missing", where_));
    return rule;
  }

  void read_member(PermissionRule& rule, const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
    if (key == "allow" || key == "deny") {
      rule.effect = key == "allow" ? PermissionRule::Effect::allow : PermissionRule::Effect::deny;
      read_operations(rule, key, value);
    } else if (key == "topics") {
      read_topics(rule, value);
    } else if (key == "roles") {
      read_roles(rule, value);
    } else if (key == "claims") {
      read_claims(rule, value);
    } else {
      fault(key_node, fmt::format("{}: the key {} is unknown; {}", where_, quoted(key), kAllowedOfRule));
    }
  }

  /// The texts of a list that must not be empty, at most so many; what is none has been told.
  std::vector<std::pair<std::string, YAML::Node>> texts(const YAML::Node& node, std::string_view key,
                                                        std::string_view allowed, std::size_t count_max) {
    std::vector<std::pair<std::string, YAML::Node>> found;
    if (!node.IsSequence() || node.size() == 0) {
      fault(node, fmt::format("{}: {} must be a list and not be empty; allowed: {}", where_, key, allowed));
      return found;
    }
    if (node.size() > count_max) {
      fault(node, fmt::format("{}: {} has {} entries; allowed: {}", where_, key, node.size(), count_max));
      return found;
    }
    for (const YAML::Node& entry : node) {
      if (entry.IsScalar() && !entry.Scalar().empty() && is_utf8(entry.Scalar()))
        found.emplace_back(entry.Scalar(), entry);
      else
        fault(entry, fmt::format("{}: {} must hold texts; allowed: {}", where_, key, allowed));
    }
    return found;
  }

  void read_operations(PermissionRule& rule, const std::string& key, const YAML::Node& node) {
    for (const auto& [text, entry] : texts(node, key, "[publish, subscribe]", 2)) {
      if (text != "publish" && text != "subscribe") {
        fault(entry, fmt::format("{}: {} holds {}; allowed: publish, subscribe", where_, key, quoted(text)));
        continue;
      }
      bool& operation = text == "publish" ? rule.publish : rule.subscribe;
      if (std::exchange(operation, true)) fault(entry, fmt::format("{}: {} stands twice in {}", where_, text, key));
    }
  }

  void read_topics(PermissionRule& rule, const YAML::Node& node) {
    constexpr std::string_view kAllowed = "filters such as \"chat/+\", \"users/{sub}/#\", in quotes";
    for (const auto& [text, entry] : texts(node, "topics", kAllowed, kPermissionTopicsMax)) {
      if (++topic_count_ > kPermissionTopicsMax) {
        if (topic_count_ == kPermissionTopicsMax + 1)
          fault(entry, fmt::format("there are more than {} topics in all", kPermissionTopicsMax));
        return;
      }
      auto topic = TopicTemplate::parse(text);
      if (!topic) {
        fault(entry, fmt::format("{}: topics holds {}: {}; allowed: {}", where_, quoted(text),
                                 std::string_view(topic.error()).substr(text.size() + 4), kAllowed));
        continue;
      }
      for (const ClaimPath& claim : topic->claims()) warn_of_users_own(claim, entry);
      rule.topics.push_back(std::move(*topic));
    }
  }

  void read_roles(PermissionRule& rule, const YAML::Node& node) {
    for (auto& [text, entry] : texts(node, "roles", "names such as [admin, editor]", kPermissionRolesMax))
      rule.roles.push_back(std::move(text));
  }

  void read_claims(PermissionRule& rule, const YAML::Node& node) {
    constexpr std::string_view kAllowed = "allowed: names and values such as {aal: aal2, is_anonymous: false}";
    if (!node.IsMap() || node.size() == 0)
      return fault(node, fmt::format("{}: claims must have keys and values; {}", where_, kAllowed));
    if (node.size() > kPermissionClaimsMax)
      return fault(node,
                   fmt::format("{}: claims has {} entries; allowed: {}", where_, node.size(), kPermissionClaimsMax));
    std::set<std::string> seen;
    for (const auto& member : node) {
      const std::string name = text_of(member.first);
      auto path = is_utf8(name) ? ClaimPath::parse(name) : failure(std::string("it is not UTF-8"));
      auto value = claim_value(member.second);
      if (!seen.insert(name).second)
        fault(member.first, fmt::format("{}: the claim {} stands twice", where_, quoted(name)));
      else if (!path)
        fault(member.first, fmt::format("{}: the claim {}: {}; {}", where_, quoted(name), path.error(), kAllowed));
      else if (!value)
        fault(member.second, fmt::format("{}: the claim {} {}", where_, quoted(name), value.error()));
      else {
        warn_of_users_own(*path, member.first);
        rule.claims.push_back({.claim = std::move(*path), .value = std::move(*value)});
      }
    }
  }

  void warn_of_users_own(const ClaimPath& claim, const YAML::Node& node) {
    if (is_users_own(claim))
      warn(node, fmt::format("{}: {} is written by users themselves; app_metadata is not", where_, claim.text()));
  }

  std::string name_;
  LoadedRules loaded_;
  std::string where_;
  std::string faults_;
  std::size_t fault_count_ = 0;
  std::size_t topic_count_ = 0;
};

}  // namespace

Result<LoadedRules, std::string> parse_permissions(std::string_view text, const std::string& name, bool in_section) {
  if (text.size() > kPermissionsFileBytesMax)
    return failure(fmt::format("{} has {} bytes; allowed: {}", name, text.size(), kPermissionsFileBytesMax));
  if (!is_utf8(text)) return failure(name + ": the file must be UTF-8");
  try {
    const std::string own(text);
    std::istringstream stream(own);
    YAML::Parser parser(stream);
    Guard guard;
    // Of some broken texts the parser makes empty documents for ever.
    while (guard.documents() < 2 && parser.HandleNextDocument(guard)) {
    }
    if (guard.documents() != 1)
      return failure(fmt::format("{}: the file must hold one document with the key rules; it holds {}", name,
                                 guard.documents() == 0 ? "none" : "more"));
    const YAML::Node root = YAML::Load(own);
    if (!in_section) return Reader(name).read(root);
    if (!root.IsMap() || !root["permissions"]) return failure(name + ": the section permissions is missing");
    return Reader(name).read(root["permissions"]);
  } catch (const YAML::Exception& exception) {
    // The parser quotes single bytes.
    return failure(fmt::format("{}:{}: not valid YAML: {}", name, exception.mark.line + 1,
                               is_utf8(exception.msg) ? exception.msg : "a character that is not allowed there"));
  }
}

}  // namespace famemely::app
