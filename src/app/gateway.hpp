#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/config.hpp"
#include "app/reloads.hpp"
#include "app/shared_limits.hpp"
#include "base/logger.hpp"
#include "gateway/authenticator.hpp"
#include "gateway/bridge.hpp"
#include "gateway/permissions.hpp"
#include "io/file_watch.hpp"
#include "io/link.hpp"
#include "serving/listening_sockets.hpp"
#include "serving/mailbox.hpp"
#include "serving/system_random.hpp"
#include "serving/tls_server.hpp"

namespace famemely::app {

/// The workers and the link, connected, each with its thread.
class Gateway {
 public:
  /// `loop` watches files: it is of the thread that starts the gateway. `broker_port` is the managed broker's, or
  /// `MQTT_PORT`.
  Gateway(boost::asio::io_context& loop, const Config& config, std::uint16_t broker_port, Logger& logger);
  ~Gateway();

  void start(serving::ListeningSockets& sockets);
  /// `stopped` is called on an arbitrary thread once every socket has been told and closed, what was in flight is
  /// finished, and the broker has its DISCONNECT; at the returned instant in any case.
  Instant shut_down(std::function<void()> stopped);
  /// Reads again what SIGHUP is for. To be called on the thread that started the gateway.
  void reload() const { reloads_.run_all(); }

  [[nodiscard]] gateway::Authenticator& authenticator() { return authenticator_; }
  /// What `reload` runs.
  [[nodiscard]] Reloads& reloads() { return reloads_; }

 private:
  struct WorkerUnit;

  void connect_rooms();
  /// What is read again on SIGHUP, and when its file changes.
  void add_reloads(boost::asio::io_context& loop);
  [[nodiscard]] std::optional<std::string> reload_permissions();
  /// Once no worker needs it any more.
  void end_link(Instant deadline);
  void tell_workers(const gateway::WorkerEvent& event);
  void run_loop(boost::asio::io_context& context);
  void stop_threads();

  Config config_;
  Logger& logger_;
  Reloads reloads_;
  SharedLimits limits_;
  std::unique_ptr<serving::TlsServer> tls_;  // none: plain HTTP is served
  gateway::Authenticator authenticator_;
  std::shared_ptr<const gateway::PermissionPolicy> policy_;
  serving::SystemRandom link_random_;
  gateway::Bridge bridge_;
  std::unique_ptr<boost::asio::io_context> link_context_;  // none with one worker: the link then shares its loop
  std::unique_ptr<serving::Mailbox<gateway::LinkCommand>> link_mailbox_;
  std::vector<std::unique_ptr<WorkerUnit>> workers_;
  std::unique_ptr<io::Link> link_;
  std::thread link_thread_;
  std::vector<std::unique_ptr<io::FileWatch>> watches_;
  std::atomic<std::size_t> draining_ = 0;
  std::function<void()> stopped_;
};

}  // namespace famemely::app
