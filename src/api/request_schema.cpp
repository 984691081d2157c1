#include "api/request_schema.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"

namespace famemely::api {
namespace {

/// What is wrong with the value, in NestJS's words; empty if nothing is.
std::string complaint(const Member& member, const JsonView& value) {
  switch (member.kind) {
    case MemberKind::any:
      return {};
    case MemberKind::string:
      if (value.has_lone_surrogate()) return fmt::format("{} must not hold a lone surrogate", member.name);
      if (value.kind() == JsonKind::string) return {};
      return fmt::format("{} must be a string", member.name);
    case MemberKind::boolean:
      if (value.kind() == JsonKind::boolean) return {};
      return fmt::format("{} must be a boolean value", member.name);
    case MemberKind::object:
      if (value.kind() == JsonKind::object) return {};
      return fmt::format("{} must be an object", member.name);
    case MemberKind::messages: {
      if (value.kind() != JsonKind::array) return fmt::format("{} must be an array", member.name);
      const std::size_t count = value.elements().size();
      if (count == 0) return fmt::format("{} should not be empty", member.name);
      if (count <= kBatchMessagesMax) return {};
      return fmt::format("{} must contain no more than {} elements", member.name, kBatchMessagesMax);
    }
    case MemberKind::quality_of_service: {
      const auto number = value.as_integer();
      if (number && *number >= 0 && *number <= 2) return {};
      return fmt::format("{} must be one of the following values: 0, 1, 2", member.name);
    }
    case MemberKind::encoding: {
      const auto name = value.as_string();
      if (name == "json" || name == "text" || name == "base64") return {};
      return fmt::format("{} must be one of the following values: json, text, base64", member.name);
    }
  }
  return {};
}

std::string shortened(std::string_view name) {
  if (name.size() <= kUnknownNameBytesMax) return std::string(name);
  const std::string_view beginning = name.substr(0, kUnknownNameBytesMax);
  return std::string(beginning.substr(0, well_formed_prefix(beginning))) + "\u2026";
}

std::string absence(const Member& member) {
  switch (member.kind) {
    case MemberKind::string:
      return fmt::format("{} must be a string", member.name);
    case MemberKind::object:
      return fmt::format("{} must be an object", member.name);
    case MemberKind::messages:
      return fmt::format("{} must be an array", member.name);
    case MemberKind::quality_of_service:
    case MemberKind::boolean:
    case MemberKind::encoding:
    case MemberKind::any:
      break;
  }
  return fmt::format("{} should not be empty", member.name);
}

}  // namespace

Error validation_error(std::string what) {
  return Error{ErrorCode::bad_request, "Validation failed", {std::move(what)}};
}

Result<std::vector<std::optional<JsonView>>, Error> check_members(const JsonView& object,
                                                                  std::span<const Member> members) {
  std::vector<std::optional<JsonView>> found(members.size());
  std::vector<std::string> complaints;
  std::optional<Limit> limit;
  for (auto& [name, value] : object.members()) {
    const auto member = std::ranges::find(members, std::string_view(name), &Member::name);
    if (member != members.end())
      found[static_cast<std::size_t>(member - members.begin())] = value;
    else if (complaints.size() < kUnknownMembersToldMax)
      complaints.push_back(fmt::format("property {} should not exist", shortened(name)));
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (found[i]) {
      // A client that leaves a value out may send null for it (`qos: undefined` becomes that in some languages).
      if (!members[i].required && found[i]->is_null()) {
        found[i].reset();
        continue;
      }
      if (std::string text = complaint(members[i], *found[i]); !text.empty()) {
        complaints.push_back(std::move(text));
        if (members[i].kind == MemberKind::messages && found[i]->elements().size() > kBatchMessagesMax)
          limit = Limit::batch;
      }
    } else if (members[i].required) {
      complaints.push_back(absence(members[i]));
    }
  }
  if (!complaints.empty())
    return failure(Error{ErrorCode::bad_request, "Validation failed", std::move(complaints), limit});
  return found;
}

}  // namespace famemely::api
