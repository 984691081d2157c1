#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "base/logger.hpp"
#include "famemely/registered_handler.hpp"
#include "gateway/raw_message.hpp"

namespace famemely {

/// A message for the handlers that are to have it.
struct MessageCall {
  struct Receiver {
    std::shared_ptr<RegisteredHandler> handler;
    std::uint8_t qos;
  };

  socketio::Frame frame;  // as gateway::make_raw_message makes it
  WallTime received_at;
  std::vector<Receiver> receivers;
};
using Call = std::variant<MessageCall, std::move_only_function<void()>>;

/// What waits for the thread that calls the program's handlers and completions, and that thread.
class CallQueue {
 public:
  /// Past it no message should be added; completions always are.
  static constexpr std::size_t kBytesMax = 64'000'000;

  explicit CallQueue(std::shared_ptr<Logger> logger);
  /// Messages that wait are dropped, completions are called. Waits for the thread, unless it is the caller.
  ~CallQueue();
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  [[nodiscard]] bool full() const;
  /// Empties the vector.
  void push(std::vector<Call>& calls);
  void push(std::move_only_function<void()> completion);

  struct Counters {
    std::uint64_t calls;
    std::uint64_t failures;
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct State;

  std::shared_ptr<State> state_;  // the thread's as well: it may outlive the queue
};

}  // namespace famemely
