#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/worker_application.hpp"
#include "app/config.hpp"
#include "gateway/authenticator.hpp"
#include "gateway/bridge.hpp"
#include "gateway/permissions.hpp"
#include "io/broker_connection.hpp"
#include "serving/connections.hpp"

/// From the configuration to each room's options.
namespace famemely::app {

/// What signs the sessions of the Admin UI: new with each process.
[[nodiscard]] std::string make_admin_key();
[[nodiscard]] api::WorkerApplicationOptions application_options(const Config& config, std::size_t worker,
                                                                const std::string& admin_key,
                                                                LimitCounters& limit_counters);
[[nodiscard]] serving::ConnectionOptions connection_options(const Config& config, std::size_t worker,
                                                            LimitCounters& limit_counters);
[[nodiscard]] gateway::BridgeOptions bridge_options(const Config& config, WallTime now);
/// `port` is the managed broker's, or `MQTT_PORT`.
[[nodiscard]] io::BrokerAddress broker_address(const Config& config, std::uint16_t port);
[[nodiscard]] gateway::Authenticator make_authenticator(const Config& config);
[[nodiscard]] std::shared_ptr<const gateway::PermissionPolicy> make_policy(const Config& config);

}  // namespace famemely::app
