#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "famemely/mqtt_service.hpp"

namespace famemely {

/// A handler while somebody may call it: shared by its registration, the network thread and the queue of calls.
class RegisteredHandler {
 public:
  explicit RegisteredHandler(MessageHandler function) : function_(std::move(function)) {}

  /// False if it is retired. What the handler throws goes through.
  bool call(const MqttMessage& message);
  /// When this returns the handler does not run and never will again, unless it is the handler that calls this. What it
  /// holds is gone then.
  void retire();

 private:
  std::mutex running_;  // held while the handler runs
  std::atomic<std::thread::id> runs_on_{};
  std::atomic<bool> retired_ = false;
  MessageHandler function_;
};

}  // namespace famemely
