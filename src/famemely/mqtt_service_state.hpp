#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "app/config.hpp"
#include "base/logger.hpp"
#include "famemely/call_queue.hpp"
#include "famemely/service_worker.hpp"
#include "io/broker_connection.hpp"

namespace famemely {

/// What is behind an MqttService: the worker, the link while there is one, with the network thread on which both live,
/// and the thread of the handlers. Its functions may be called from any thread but the network thread.
class MqttServiceState {
 public:
  /// Of publishes that the network thread has not seen; past it they are refused.
  static constexpr std::size_t kInboxBytesMax = 64'000'000;

  /// Throws if the files that TLS needs can't be read.
  MqttServiceState(app::Config config, std::shared_ptr<Logger> logger);
  ~MqttServiceState();

  void connect(Completion done);
  void disconnect();
  /// Disconnects for good, and ends the thread of the handlers.
  void shut_down();

  void publish(gateway::OutgoingMessage message, Completion done);
  void subscribe(mqtt::TopicFilter filter, std::uint8_t qos, GrantCompletion done);
  void unsubscribe(mqtt::TopicFilter filter, Completion done);
  /// The new handler's number.
  HolderId add_handler(mqtt::TopicFilter filter, const HandlerOptions& options,
                       std::shared_ptr<RegisteredHandler> handler, GrantCompletion done);
  void remove_handler(HolderId id);
  /// Calls the completion on the thread of the handlers; on this one if that has ended.
  void complete(std::move_only_function<void()> completion);

  [[nodiscard]] MqttConnectionStatus connection_status() const;
  [[nodiscard]] MqttServiceStats stats() const;

 private:
  class Connection;
  using Request = std::move_only_function<void(ServiceWorker&)>;

  /// Does it on the network thread; on this one while there is none.
  void submit(Request request);
  /// False if that many bytes more are too many.
  [[nodiscard]] bool submit(Request& request, std::size_t bytes);

  const app::Config config_;
  const io::BrokerAddress address_;
  const std::shared_ptr<Logger> logger_;
  std::unique_ptr<CallQueue> calls_;  // none once shut down
  mutable std::mutex calls_mutex_;    // of the pointer

  std::mutex lifecycle_;  // held while connections come and go
  std::unique_ptr<Connection> connection_;

  mutable std::mutex mutex_;
  bool linked_ = false;  // the network thread runs, and the worker is its own
  std::vector<Request> inbox_;
  std::size_t inbox_bytes_ = 0;
  ServiceWorker worker_;
  HolderId last_handler_ = 0;

  mutable std::mutex snapshot_mutex_;
  struct Snapshot {
    gateway::LinkStatus status;
    ServiceWorker::Counts counts;
    std::uint64_t messages_in = 0;
    std::uint64_t messages_dropped = 0;
    // Of earlier connections:
    std::uint64_t messages_in_before = 0;
    std::uint64_t messages_dropped_before = 0;
  };
  Snapshot snapshot_;
};

}  // namespace famemely
