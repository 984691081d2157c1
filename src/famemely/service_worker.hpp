#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/result.hpp"
#include "famemely/call_queue.hpp"
#include "famemely/registered_handler.hpp"
#include "gateway/ports.hpp"

namespace famemely {

using Completion = std::move_only_function<void(std::optional<Error>)>;
using GrantCompletion = std::move_only_function<void(Result<std::uint8_t, Error>)>;
/// Who holds a filter: a handler, or a `subscribe`. Counted up by the service.
using HolderId = std::uint64_t;

/// The link's one worker in a program that is no gateway: what the program's handlers and subscriptions hold at the
/// broker, which message goes to whom, and what has been asked. No thread of its own, no I/O.
///
/// What is held outlives a link: with `begin` it is asked of the next one.
class ServiceWorker {
 public:
  /// A link is there, and not connected yet.
  void begin();
  /// It is gone: what has no answer gets this one.
  void end(const Error& error);

  void publish(gateway::OutgoingMessage message, Completion done);
  void subscribe(const mqtt::TopicFilter& filter, std::uint8_t qos, GrantCompletion done);
  void unsubscribe(const mqtt::TopicFilter& filter, Completion done);
  /// `done` waits for a connection as long as it takes. It is not called if the handler is removed before.
  void add_handler(HolderId id, const mqtt::TopicFilter& filter, const HandlerOptions& options,
                   std::shared_ptr<RegisteredHandler> handler, GrantCompletion done);
  void remove_handler(HolderId id);

  /// Adds to `calls` what the program's handlers are to be given.
  void on_link_event(gateway::WorkerEvent& event, WallTime now, std::vector<Call>& calls);

  /// What is wanted of the link; the caller empties it.
  [[nodiscard]] std::vector<gateway::LinkCommand>& commands() { return commands_; }
  /// Completions with their answers: to be called by the caller once it has noted what has changed.
  [[nodiscard]] std::vector<std::move_only_function<void()>> take_answers() { return std::exchange(answers_, {}); }
  [[nodiscard]] const gateway::LinkStatus& status() const { return status_; }

  struct Counts {
    std::uint64_t filters = 0;
    std::uint64_t granted_filters = 0;
    std::uint64_t handlers = 0;
    std::uint64_t publishes = 0;
    std::uint64_t publishes_failed = 0;
    std::uint64_t publishes_waiting = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Holder {
    mqtt::TopicFilter filter;
    std::uint8_t qos;
    std::shared_ptr<RegisteredHandler> handler;  // nothing: a `subscribe`
    GrantCompletion waiting{};                   // of a handler that the broker has not answered for
    bool asked = false;
    bool granted = false;
    std::uint8_t qos_granted = 0;
    gateway::MessageSequence joined_at = 0;
  };
  /// A filter that is held or asked for.
  struct HeldFilter {
    gateway::FilterId id = 0;  // 0: not granted
    std::uint32_t asks = 0;
    std::vector<HolderId> holders;
  };
  struct Ask {
    HolderId holder;
    mqtt::TopicFilter filter;
    std::uint8_t qos;
    GrantCompletion done;
  };
  struct RetainedAsk {
    HolderId holder;
    gateway::FilterId filter;
    gateway::MessageSequence joined_at;
  };
  /// A handler that asks nothing of the broker.
  struct Listener {
    mqtt::TopicFilter filter;
    std::uint8_t qos;
    std::shared_ptr<RegisteredHandler> handler;
  };

  void answer(Completion done, std::optional<Error> error);
  void answer(GrantCompletion done, Result<std::uint8_t, Error> granted);
  void ask(HolderId id, GrantCompletion done);
  void ask_for_all_that_lack_it();
  void forget(HolderId id);
  void release_unheld(const mqtt::TopicFilter& filter);
  void deliver(const gateway::Delivery& delivery, WallTime now, std::vector<Call>& calls);
  void add_listeners(std::string_view topic, std::uint8_t qos, MessageCall& call) const;
  void on_subscribe_answer(gateway::SubscribeAnswer& subscribed);
  void on_publish_answer(gateway::PublishAnswer& published);
  void on_filter_lost(const gateway::FilterLost& lost);
  void on_retained(const gateway::RetainedMessages& retained, WallTime now, std::vector<Call>& calls);

  bool linked_ = false;
  HolderId last_subscription_ = 0;
  std::map<HolderId, Holder> holders_;
  std::unordered_map<std::string, HolderId> subscriptions_;  // of `subscribe`, by the filter's text
  std::map<HolderId, Listener> listeners_;
  std::unordered_map<std::string, HeldFilter> held_;                  // by the filter's text
  std::unordered_map<gateway::FilterId, mqtt::TopicFilter> granted_;  // by the link's number
  std::unordered_map<gateway::RequestId, Ask> asks_;
  std::unordered_map<gateway::RequestId, RetainedAsk> retained_asks_;
  std::unordered_map<gateway::RequestId, Completion> publishes_;
  gateway::RequestId last_request_ = 0;
  gateway::GrantNumber last_grant_ = 0;
  gateway::LinkStatus status_;
  std::uint64_t publishes_taken_ = 0;
  std::uint64_t publishes_failed_ = 0;
  std::vector<gateway::LinkCommand> commands_;
  std::vector<std::move_only_function<void()>> answers_;
};

}  // namespace famemely
