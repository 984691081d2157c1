#include "famemely/call_queue.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace famemely {
namespace {

/// About what a call takes besides the message's bytes.
constexpr std::size_t kCallBytes = 256;

std::size_t bytes_of(const Call& call) {
  const auto* message = std::get_if<MessageCall>(&call);
  return kCallBytes + (message ? message->frame.size() : 0);
}

MqttMessage make_message(const gateway::RawMessage& raw, WallTime received_at) {
  MqttMessage message{.topic = std::string(raw.topic),
                      .payload = std::string(raw.payload),
                      .qos = raw.qos,
                      .retain = raw.retain,
                      .received_at = received_at};
  if (raw.properties.empty() && !raw.properties.payload_is_utf8) return message;
  mqtt::PublishProperties properties = raw.properties.copy();
  message.properties = {.content_type = std::move(properties.content_type),
                        .response_topic = std::move(properties.response_topic),
                        .correlation_data = std::move(properties.correlation_data),
                        .payload_is_utf8 = properties.payload_is_utf8};
  if (properties.message_expiry_s)
    message.properties.message_expiry = std::chrono::seconds(*properties.message_expiry_s);
  for (auto& [name, value] : properties.user_properties)
    message.properties.user_properties.emplace_back(std::move(name), std::move(value));
  return message;
}

}  // namespace

struct CallQueue::State {
  void run();
  void call(Call& call);
  void call(const MessageCall& call);
  /// Logs what the program's function throws.
  template <typename Function>
  void guard(std::string_view event, std::string_view topic, Function&& function);

  std::shared_ptr<Logger> logger;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Call> calls;
  bool stopping = false;
  std::atomic<std::size_t> bytes = 0;
  std::atomic<std::uint64_t> call_count = 0;
  std::atomic<std::uint64_t> failures = 0;
  std::thread thread;
};

CallQueue::CallQueue(std::shared_ptr<Logger> logger) : state_(std::make_shared<State>()) {
  state_->logger = std::move(logger);
  state_->thread = std::thread([state = state_] { state->run(); });
}

CallQueue::~CallQueue() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    std::erase_if(state_->calls, [](const Call& call) { return std::holds_alternative<MessageCall>(call); });
  }
  state_->wake.notify_one();
  if (state_->thread.get_id() == std::this_thread::get_id())
    state_->thread.detach();
  else
    state_->thread.join();
}

bool CallQueue::full() const { return state_->bytes > kBytesMax; }

void CallQueue::push(std::vector<Call>& calls) {
  if (calls.empty()) return;
  std::size_t added = 0;
  for (const Call& call : calls) added += bytes_of(call);
  state_->bytes += added;
  {
    const std::lock_guard lock(state_->mutex);
    state_->calls.insert(state_->calls.end(), std::make_move_iterator(calls.begin()),
                         std::make_move_iterator(calls.end()));
  }
  state_->wake.notify_one();
  calls.clear();
}

void CallQueue::push(std::move_only_function<void()> completion) {
  state_->bytes += kCallBytes;
  {
    const std::lock_guard lock(state_->mutex);
    state_->calls.emplace_back(std::move(completion));
  }
  state_->wake.notify_one();
}

CallQueue::Counters CallQueue::counters() const { return {state_->call_count, state_->failures}; }

void CallQueue::State::run() {
  for (;;) {
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return stopping || !calls.empty(); });
    if (calls.empty()) return;
    Call next = std::move(calls.front());
    calls.pop_front();
    lock.unlock();
    const std::size_t done = bytes_of(next);
    call(next);
    bytes -= done;
  }
}

void CallQueue::State::call(Call& call_or_completion) {
  if (const auto* message = std::get_if<MessageCall>(&call_or_completion)) return call(*message);
  guard("completion failed", {}, std::get<std::move_only_function<void()>>(call_or_completion));
}

void CallQueue::State::call(const MessageCall& call) {
  const auto raw = gateway::read_raw_message(call.frame);
  if (!raw) return;
  MqttMessage message = make_message(*raw, call.received_at);
  for (const auto& [handler, qos] : call.receivers) {
    {
      const std::lock_guard lock(mutex);
      if (stopping) return;  // by the handler before this one
    }
    message.qos = std::min(raw->qos, qos);
    guard("message handler failed", raw->topic, [&] {
      if (handler->call(message)) ++call_count;
    });
  }
}

template <typename Function>
void CallQueue::State::guard(std::string_view event, std::string_view topic, Function&& function) {
  std::string what;
  try {
    return function();
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "not a std::exception";
  }
  ++failures;
  if (topic.empty())
    logger->error(event, {{"error", what}});
  else
    logger->error(event, {{"topic", topic}, {"error", what}});
}

}  // namespace famemely
