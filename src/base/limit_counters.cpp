#include "base/limit_counters.hpp"

namespace famemely {
namespace {

struct Row {
  Limit limit;
  std::string_view name;
};

constexpr std::array kNames{
    Row{Limit::connections, "connections"},
    Row{Limit::connections_per_user, "connectionsPerUser"},
    Row{Limit::connections_per_address, "connectionsPerAddress"},
    Row{Limit::sessions_per_address, "sessionsPerAddress"},
    Row{Limit::subscriptions_per_socket, "subscriptionsPerSocket"},
    Row{Limit::subscriptions_per_user, "subscriptionsPerUser"},
    Row{Limit::publish_rate_per_user, "publishRatePerUser"},
    Row{Limit::request_rate_per_address, "requestRatePerAddress"},
    Row{Limit::origin, "origin"},
    Row{Limit::malformed_request, "malformedRequest"},
    Row{Limit::request_head, "requestHead"},
    Row{Limit::request_body, "requestBody"},
    Row{Limit::message_size, "messageSize"},
    Row{Limit::topic, "topic"},
    Row{Limit::request_time, "requestTime"},
    Row{Limit::slow_body, "slowBody"},
    Row{Limit::idle_connection, "idleConnection"},
    Row{Limit::slow_reader, "slowReader"},
    Row{Limit::slow_consumer, "slowConsumer"},
    Row{Limit::no_connect, "noConnect"},
    Row{Limit::tls_handshake, "tlsHandshake"},
    Row{Limit::refusals_per_connection, "refusalsPerConnection"},
    Row{Limit::ping_timeout, "pingTimeout"},
    Row{Limit::upgrade_timeout, "upgradeTimeout"},
    Row{Limit::json_depth, "jsonDepth"},
    Row{Limit::batch, "batch"},
    Row{Limit::token_size, "tokenSize"},
};

constexpr bool rows_follow_the_enumeration() {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i].limit != static_cast<Limit>(i)) return false;
  return kNames.size() == kLimitCount;
}
static_assert(rows_follow_the_enumeration());

}  // namespace

std::string_view name_of(Limit limit) { return kNames[static_cast<std::size_t>(limit)].name; }

}  // namespace famemely
