#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/worker_application.hpp"
#include "app/config.hpp"
#include "app/shared_limits.hpp"
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
                                                                const std::string& admin_key, SharedLimits& shared);
/// `tls` is none where plain HTTP is served.
[[nodiscard]] serving::ConnectionOptions connection_options(const Config& config, std::size_t worker,
                                                            SharedLimits& shared, serving::TlsServer* tls);
/// None where plain HTTP is served.
[[nodiscard]] std::unique_ptr<serving::TlsServer> make_tls_server(const Config& config);
[[nodiscard]] gateway::BridgeOptions bridge_options(const Config& config, WallTime now, SharedLimits* shared = nullptr);
/// `port` is the managed broker's, or `MQTT_PORT`.
[[nodiscard]] io::BrokerAddress broker_address(const Config& config, std::uint16_t port);
[[nodiscard]] gateway::Authenticator make_authenticator(const Config& config);
[[nodiscard]] std::shared_ptr<const gateway::PermissionPolicy> make_policy(const Config& config);

}  // namespace famemely::app
