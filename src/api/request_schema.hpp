#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json_text.hpp"

namespace famemely::api {

/// What a member of a request must be. The messages are those of NestJS's validation, which clients already parse.
enum class MemberKind { string, quality_of_service, boolean, encoding, object, messages, any };

/// Messages in one batch at most.
inline constexpr std::size_t kBatchMessagesMax = 1'000;

/// So many unknown members of a request are told, and so much of the name of each.
inline constexpr std::size_t kUnknownMembersToldMax = 20;
inline constexpr std::size_t kUnknownNameBytesMax = 100;

/// One member of a request body or event argument. Such tables are the only description of what a request may hold:
/// they check it here and describe it in the API document.
struct Member {
  std::string_view name;
  MemberKind kind;
  bool required;
  std::string_view description;
};

inline constexpr Member kPublishMembers[] = {
    {"topic", MemberKind::string, true, "Topic name: no wildcards"},
    {"payload", MemberKind::any, true, "Any JSON value; a string where `encoding` is `text` or `base64`"},
    {"qos", MemberKind::quality_of_service, false, "Quality of service, 0 by default"},
    {"retain", MemberKind::boolean, false, "Ask the broker to keep the message, false by default"},
    {"encoding", MemberKind::encoding, false, "What the payload becomes on the wire, `json` by default"},
    {"properties", MemberKind::object, false, "MQTT 5 properties"},
};

inline constexpr Member kBatchMembers[] = {
    {"messages", MemberKind::messages, true, "1 to 1000 publishes"},
};

inline constexpr Member kBroadcastMembers[] = {
    {"topic", MemberKind::string, true, "Topic name: no wildcards"},
    {"message", MemberKind::object, true, "The members of the message"},
    {"includeTimestamp", MemberKind::boolean, false, "Add the time as `timestamp`, true by default"},
};

inline constexpr Member kSubscribeMembers[] = {
    {"topic", MemberKind::string, true, "Topic filter, wildcards `+` and `#` allowed"},
    {"qos", MemberKind::quality_of_service, false, "Highest quality of service to receive, 0 by default"},
};

inline constexpr Member kUnsubscribeMembers[] = {
    {"topic", MemberKind::string, true, "The topic filter, as it was subscribed"},
};

inline constexpr Member kDisconnectMembers[] = {
    {"userId", MemberKind::string, false, "All sockets of this user"},
    {"sessionId", MemberKind::string, false, "All sockets whose token has this `session_id`"},
};

inline constexpr Member kAuthMembers[] = {
    {"token", MemberKind::string, true, "A fresh token of the same user"},
};

/// The refusal of a request of which one thing is wrong.
[[nodiscard]] Error validation_error(std::string what);

/// Looks up and checks each member of an object at once. `found[i]` belongs to `members[i]`; absent ones are empty. All
/// that is wrong is told together, as an array of messages.
[[nodiscard]] Result<std::vector<std::optional<JsonView>>, Error> check_members(const JsonView& object,
                                                                                std::span<const Member> members);

}  // namespace famemely::api
