#include "famemely/mqtt_service_state.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <map>
#include <thread>
#include <utility>

#include "app/room_options.hpp"
#include "gateway/bridge.hpp"
#include "gateway/raw_message.hpp"
#include "io/link.hpp"
#include "serving/clocks.hpp"
#include "serving/system_random.hpp"

namespace famemely {
namespace {

namespace asio = boost::asio;

/// While the handlers are behind, answers are looked for among the messages that wait at this pace.
constexpr std::chrono::milliseconds kRetryPause{10};
/// Patience with a broker that has yet to read what it was sent.
constexpr std::chrono::seconds kFarewellMax{1};

Error disconnected() { return {ErrorCode::unavailable, "The MQTT client was disconnected before there was an answer"}; }

gateway::BridgeOptions link_options(const app::Config& config) {
  gateway::BridgeOptions options = app::bridge_options(config, serving::read_clocks().wall);
  options.workers = 1;
  options.recovery_window = {};
  options.encode_message = gateway::make_raw_message;
  return options;
}

}  // namespace

/// A link and the network thread that runs it, from `connect` to `disconnect`. Private functions are called on that
/// thread.
class MqttServiceState::Connection {
 public:
  explicit Connection(MqttServiceState& service)
      : service_(service),
        bridge_(link_options(service.config_), random_, *service.logger_),
        link_(service.address_, context_, bridge_, true, *service.logger_),
        retry_(context_) {
    link_.set_gates({[this](std::vector<gateway::WorkerEvent>& events) { return take(events); }});
  }

  void start() {
    link_.start();
    thread_ = std::thread([this] { run(); });
  }
  /// The inbox is not empty any more.
  void wake() {
    asio::post(context_, [this] { read_inbox(); });
  }
  void wait_for_connection(Completion done) {
    asio::post(context_, [this, done = std::move(done)]() mutable { begin_waiting(std::move(done)); });
  }
  /// Ends the link, and returns once its thread has ended and the worker is nobody's.
  void stop() {
    asio::post(context_, [this] { finish(); });
    thread_.join();
  }

 private:
  struct Waiting {
    Completion done;
    std::unique_ptr<asio::steady_timer> deadline;
  };

  void run() {
    const auto work = asio::make_work_guard(context_);
    try {
      context_.run();
    } catch (const std::exception& error) {
      // A loop can't go on from an arbitrary place.
      service_.logger_->error("loop failed", {{"error", error.what()}});
      std::terminate();
    }
  }

  void read_inbox() {
    std::vector<Request> requests;
    {
      const std::lock_guard lock(service_.mutex_);
      requests.swap(service_.inbox_);
      service_.inbox_bytes_ = 0;
    }
    for (Request& request : requests) request(service_.worker_);
    push_commands();
  }

  void push_commands() {
    std::vector<gateway::LinkCommand> commands = std::exchange(service_.worker_.commands(), {});
    if (!commands.empty()) link_.push(0, commands);
    tell();
    give_answers();
  }

  /// The link's gate. False: the handlers are behind, and the messages stay where they are.
  bool take(std::vector<gateway::WorkerEvent>& events) {
    const WallTime now = serving::read_clocks().wall;
    const bool full = service_.calls_->full();
    std::vector<gateway::WorkerEvent> kept;
    for (gateway::WorkerEvent& event : events) {
      // Answers don't wait behind messages: a handler may be waiting for one. Grants say since when they count.
      if (full && (std::holds_alternative<gateway::Delivery>(event) ||
                   std::holds_alternative<gateway::RetainedMessages>(event)))
        kept.push_back(std::move(event));
      else
        service_.worker_.on_link_event(event, now, new_calls_);
    }
    events.swap(kept);
    tell();  // first: a handler that is called finds its message counted
    service_.calls_->push(new_calls_);
    if (!service_.worker_.commands().empty()) asio::post(context_, [this] { push_commands(); });
    give_answers();
    if (service_.worker_.status().is_connected)
      for (auto& [id, waiting] : std::exchange(waiting_, {})) waiting.done(std::nullopt);
    if (events.empty() || !full) return true;
    retry_.expires_after(kRetryPause);
    retry_.async_wait([this](const boost::system::error_code& fault) {
      if (!fault) link_.on_worker_room(0);
    });
    return false;
  }

  void give_answers() {
    for (auto& answer : service_.worker_.take_answers()) answer();
  }

  void tell() {
    const std::lock_guard lock(service_.snapshot_mutex_);
    Snapshot& snapshot = service_.snapshot_;
    if (snapshot.status != service_.worker_.status()) snapshot.status = service_.worker_.status();
    snapshot.counts = service_.worker_.counts();
    snapshot.messages_in = bridge_.counters().messages_in;
    snapshot.messages_dropped = bridge_.counters().messages_dropped;
  }

  void begin_waiting(Completion done) {
    if (service_.worker_.status().is_connected) return done(std::nullopt);
    const std::uint64_t id = ++last_waiting_;
    Waiting& waiting = waiting_[id];
    waiting.done = std::move(done);
    waiting.deadline = std::make_unique<asio::steady_timer>(context_, service_.config_.mqtt_connect_timeout);
    waiting.deadline->async_wait([this, id](const boost::system::error_code& fault) {
      const auto found = waiting_.find(id);
      if (fault || found == waiting_.end()) return;
      Completion late = std::move(found->second.done);
      waiting_.erase(found);
      const std::string& reason = service_.worker_.status().last_error;
      late(Error{ErrorCode::unavailable, reason.empty() ? "MQTT client is not connected" : reason});
    });
  }

  void finish() {
    read_inbox();
    link_.stop(kFarewellMax, [this] { end(); });
  }

  void end() {
    service_.worker_.end(disconnected());
    std::vector<std::move_only_function<void()>> answers;
    {
      const std::lock_guard lock(service_.mutex_);
      service_.linked_ = false;
      // From here on the worker is whose the mutex is.
      for (Request& request : std::exchange(service_.inbox_, {})) request(service_.worker_);
      service_.inbox_bytes_ = 0;
      service_.worker_.commands().clear();
      answers = service_.worker_.take_answers();
      tell();
      const std::lock_guard snapshot_lock(service_.snapshot_mutex_);
      Snapshot& snapshot = service_.snapshot_;
      snapshot.messages_in_before += std::exchange(snapshot.messages_in, 0);
      snapshot.messages_dropped_before += std::exchange(snapshot.messages_dropped, 0);
    }
    for (auto& answer : answers) answer();
    for (auto& [id, waiting] : std::exchange(waiting_, {})) waiting.done(disconnected());
    context_.stop();
  }

  MqttServiceState& service_;
  asio::io_context context_{1};
  serving::SystemRandom random_;
  gateway::Bridge bridge_;
  io::Link link_;
  asio::steady_timer retry_;
  std::vector<Call> new_calls_;  // scratch of `take`
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t last_waiting_ = 0;
  std::thread thread_;
};

MqttServiceState::MqttServiceState(app::Config config, std::shared_ptr<Logger> logger)
    : config_(std::move(config)),
      address_(app::broker_address(config_, config_.mqtt_port)),
      logger_(std::move(logger)),
      calls_(std::make_unique<CallQueue>(logger_)) {
  snapshot_.status.client_id = config_.mqtt_client_id;
}

MqttServiceState::~MqttServiceState() = default;

// --- connections ---

void MqttServiceState::connect(Completion done) {
  const std::lock_guard lifecycle(lifecycle_);
  if (!connection_) {
    connection_ = std::make_unique<Connection>(*this);
    {
      const std::lock_guard lock(mutex_);
      linked_ = true;
      worker_.begin();
    }
    connection_->start();
    connection_->wake();
  }
  connection_->wait_for_connection(std::move(done));
}

void MqttServiceState::disconnect() {
  const std::lock_guard lifecycle(lifecycle_);
  if (!connection_) return;
  connection_->stop();
  connection_.reset();
}

void MqttServiceState::shut_down() {
  disconnect();
  std::unique_ptr<CallQueue> calls;
  {
    const std::lock_guard lock(calls_mutex_);
    calls = std::move(calls_);
  }
}

// --- requests ---

void MqttServiceState::submit(Request request) { static_cast<void>(submit(request, 0)); }

bool MqttServiceState::submit(Request& request, std::size_t bytes) {
  std::vector<std::move_only_function<void()>> answers;
  {
    const std::lock_guard lock(mutex_);
    if (linked_) {
      if (bytes > 0 && inbox_bytes_ > 0 && inbox_bytes_ + bytes > kInboxBytesMax) return false;
      inbox_bytes_ += bytes;
      inbox_.push_back(std::move(request));
      // Whoever ends the connection takes the mutex first, so it is there.
      if (inbox_.size() == 1) connection_->wake();
      return true;
    }
    request(worker_);
    worker_.commands().clear();
    answers = worker_.take_answers();
    const std::lock_guard snapshot_lock(snapshot_mutex_);
    snapshot_.counts = worker_.counts();
  }
  for (auto& answer : answers) answer();
  return true;
}

void MqttServiceState::publish(gateway::OutgoingMessage message, Completion done) {
  const std::size_t bytes = 256 + message.payload.size() + message.topic.text().size();
  auto shared = std::make_shared<Completion>(std::move(done));
  Request wish = [message = std::move(message), shared](ServiceWorker& worker) mutable {
    worker.publish(std::move(message), std::move(*shared));
  };
  if (!submit(wish, bytes)) (*shared)(Error{ErrorCode::unavailable, "Too many publishes are waiting"});
}

void MqttServiceState::subscribe(mqtt::TopicFilter filter, std::uint8_t qos, GrantCompletion done) {
  submit([filter = std::move(filter), qos, done = std::move(done)](ServiceWorker& worker) mutable {
    worker.subscribe(filter, qos, std::move(done));
  });
}

void MqttServiceState::unsubscribe(mqtt::TopicFilter filter, Completion done) {
  submit([filter = std::move(filter), done = std::move(done)](ServiceWorker& worker) mutable {
    worker.unsubscribe(filter, std::move(done));
  });
}

HolderId MqttServiceState::add_handler(mqtt::TopicFilter filter, const HandlerOptions& options,
                                       std::shared_ptr<RegisteredHandler> handler, GrantCompletion done) {
  HolderId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = ++last_handler_;
  }
  submit([id, filter = std::move(filter), options, handler = std::move(handler),
          done = std::move(done)](ServiceWorker& worker) mutable {
    worker.add_handler(id, filter, options, std::move(handler), std::move(done));
  });
  return id;
}

void MqttServiceState::remove_handler(HolderId id) {
  submit([id](ServiceWorker& worker) { worker.remove_handler(id); });
}

void MqttServiceState::complete(std::move_only_function<void()> completion) {
  {
    const std::lock_guard lock(calls_mutex_);
    if (calls_) return calls_->push(std::move(completion));
  }
  completion();
}

// --- what is told ---

namespace {

MqttConnectionStatus status_of(const gateway::LinkStatus& status) {
  MqttConnectionStatus told{.is_connected = status.is_connected, .client_id = status.client_id};
  if (status.connected_at) told.connected_at = *status.connected_at;
  told.reconnect_attempts = status.reconnect_attempts;
  told.last_error = status.last_error;
  return told;
}

}  // namespace

MqttConnectionStatus MqttServiceState::connection_status() const {
  const std::lock_guard lock(snapshot_mutex_);
  return status_of(snapshot_.status);
}

MqttServiceStats MqttServiceState::stats() const {
  MqttServiceStats stats;
  {
    const std::lock_guard lock(snapshot_mutex_);
    const ServiceWorker::Counts& counts = snapshot_.counts;
    stats = {.connection = status_of(snapshot_.status),
             .subscriptions = counts.filters,
             .active_subscriptions = counts.granted_filters,
             .handlers = counts.handlers,
             .messages_in = snapshot_.messages_in_before + snapshot_.messages_in,
             .messages_dropped = snapshot_.messages_dropped_before + snapshot_.messages_dropped,
             .publishes = counts.publishes,
             .publishes_failed = counts.publishes_failed,
             .publishes_waiting = counts.publishes_waiting};
  }
  const std::lock_guard lock(calls_mutex_);
  if (calls_) {
    stats.messages_handled = calls_->counters().calls;
    stats.handler_failures = calls_->counters().failures;
  }
  return stats;
}

}  // namespace famemely
