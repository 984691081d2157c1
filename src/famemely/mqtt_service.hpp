#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "famemely/mqtt_message.hpp"
#include "famemely/mqtt_service_options.hpp"

namespace famemely {

class MqttServiceState;
class RegisteredHandler;

/// Takes each message that a handler was registered for.
using MessageHandler = std::function<void(const MqttMessage&)>;
/// Says how a request ended: nothing if well.
using MqttCompletion = std::function<void(const std::optional<MqttError>&)>;

struct HandlerOptions {
  /// The highest quality of service at which the broker shall send to this handler.
  std::uint8_t qos = 2;
  /// False: the handler asks nothing of the broker, and gets what matches its filter among the messages that
  /// `subscribe` and other handlers bring.
  bool subscribe = true;
};

/// A registered handler; its end unregisters it. May outlive the service.
class MessageHandlerRegistration {
 public:
  MessageHandlerRegistration() = default;
  MessageHandlerRegistration(MessageHandlerRegistration&& other) noexcept;
  MessageHandlerRegistration& operator=(MessageHandlerRegistration&& other) noexcept;
  ~MessageHandlerRegistration() { unregister(); }

  /// When this returns the handler does not run and never will again: a call that is running is waited for. Called from
  /// within the handler itself, or from another handler, it does not wait.
  void unregister();
  /// Ready once the broker has granted the filter: the quality of service, at most what was asked for. Messages that
  /// are published from then on reach the handler. It fails if the broker refuses the filter; while there is no
  /// connection it is not ready, however long that takes. Not valid if the handler asks nothing of the broker.
  [[nodiscard]] std::shared_future<std::uint8_t> subscribed() const { return subscribed_; }
  [[nodiscard]] explicit operator bool() const { return handler_ != nullptr; }

 private:
  friend class MqttService;

  std::weak_ptr<MqttServiceState> service_;
  std::shared_ptr<RegisteredHandler> handler_;
  std::uint64_t id_ = 0;
  std::shared_future<std::uint8_t> subscribed_;
};

/// The connection to the broker: what `GET /mqtt/status` of the server tells.
struct MqttConnectionStatus {
  bool is_connected = false;
  std::string client_id;
  std::optional<std::chrono::system_clock::time_point> connected_at{};
  std::uint32_t reconnect_attempts = 0;  // since the last success
  std::string last_error{};              // of the last attempt; empty after a success
};

struct MqttServiceStats {
  MqttConnectionStatus connection;
  std::uint64_t subscriptions = 0;         // distinct filters asked of the broker
  std::uint64_t active_subscriptions = 0;  // those of them that the broker has granted
  std::uint64_t handlers = 0;
  std::uint64_t messages_in = 0;        // each message once, however many handlers it has
  std::uint64_t messages_handled = 0;   // calls of handlers
  std::uint64_t messages_dropped = 0;   // QoS 0 that came faster than the handlers work, and payloads over MAX_PAYLOAD
  std::uint64_t handler_failures = 0;   // calls that ended with an exception
  std::uint64_t publishes = 0;          // that the broker has taken
  std::uint64_t publishes_failed = 0;   // answered with an error
  std::uint64_t publishes_waiting = 0;  // not answered yet
};

/// A client of an MQTT broker that reconnects, subscribes anew, completes QoS 1 and 2 after a resumed session, and
/// gives each message to each handler once, however many filters overlap.
///
///     famemely::MqttService mqtt({.url = "mqtt://localhost"});
///     auto registration = mqtt.register_message_handler("notifications/#", [](const famemely::MqttMessage& message)
///     {…}); mqtt.connect().get(); mqtt.publish({.topic = "notifications/42", .payload = "{}", .qos = 1}).get();
///
/// Threads. The service has two of its own: one for the network, which runs nothing of yours but the log writer, and
/// one for handlers and completions, which are called one after the other in the order in which things happened. So a
/// slow handler delays the others but never the connection, and messages of QoS 1 and 2 that gather meanwhile stay with
/// the broker, past 64 MB; of QoS 0 they are dropped, past 96 MB. A message counts as received when it has been queued
/// for the handlers.
///
/// All functions may be called from any thread and from handlers and completions, and return without waiting, but for
/// `disconnect`, the destructor, and `unregister`, each of which says what it waits for. A handler may wait for a
/// future of the service.
class MqttService {
 public:
  /// Throws MqttError with code 400 if an option is not allowed; the message says which, and what is. Connects nothing.
  explicit MqttService(MqttServiceOptions options);
  /// Disconnects. Messages that no handler has had yet are dropped; requests without an answer are answered with 503,
  /// and their completions run. Waits for the handler or completion that is running; destroyed by that one itself, it
  /// doesn't wait, and what completions are left run after it.
  ~MqttService();
  MqttService(const MqttService&) = delete;
  MqttService& operator=(const MqttService&) = delete;

  /// Connects, and connects again whenever the connection is lost, until `disconnect`. The future is ready with the
  /// first connection, or at once if there is one. It fails with 503 and the reason if there is none within the connect
  /// timeout (or on `disconnect`); the service goes on trying even so.
  std::future<void> connect();
  /// The same, told to a completion, which is called exactly once, on the thread of the handlers.
  void connect(MqttCompletion completion);
  /// Says DISCONNECT and closes. Requests without an answer are answered with 503: who wants them done waits for them
  /// first. Handlers stay registered and subscriptions stay wished for: `connect` asks for them anew. Waits until the
  /// broker, which reads first what it was sent, has closed the connection, for a second at most; and for a host name
  /// that is being looked up.
  void disconnect();

  /// The future is ready when the broker has taken the message: at QoS 0 once it is written to the socket, at QoS 1
  /// with its PUBACK, at QoS 2 with its PUBCOMP. A message of QoS 1 or 2 whose connection is lost before that is sent
  /// again on the next one, and the future is then ready. Without a connection a publish fails at once, with 503.
  std::future<void> publish(MqttPublication message);
  void publish(MqttPublication message, MqttCompletion completion);

  /// Holds a filter at the broker, for handlers that were registered with `subscribe = false`. Ready once the broker
  /// has granted it, with the quality of service. Without a connection it waits 10 s for one, then it fails and the
  /// filter is not held. To subscribe again changes the quality of service, and brings the retained messages again.
  std::future<std::uint8_t> subscribe(const std::string& filter, std::uint8_t qos = 0);
  void subscribe(const std::string& filter, std::uint8_t qos, MqttCompletion completion);
  /// Gives up what `subscribe` holds, also without a connection. Fails with 404 if it holds no such filter.
  std::future<void> unsubscribe(const std::string& filter);
  void unsubscribe(const std::string& filter, MqttCompletion completion);

  /// Calls the handler with each message whose topic matches the filter (wildcards `+` and `#`), until the registration
  /// ends. The filter is asked of the broker now or on the next connection, and brings its retained messages. Any
  /// number of handlers may have the same filter, or overlapping ones: each gets each message once. A handler that
  /// throws is logged, and does not keep the others from the message. Throws MqttError with code 400 if the filter is
  /// malformed.
  [[nodiscard]] MessageHandlerRegistration register_message_handler(const std::string& filter, MessageHandler handler,
                                                                    HandlerOptions options = {});

  [[nodiscard]] MqttConnectionStatus connection_status() const;
  [[nodiscard]] MqttServiceStats stats() const;

 private:
  std::shared_ptr<MqttServiceState> state_;
};

}  // namespace famemely
