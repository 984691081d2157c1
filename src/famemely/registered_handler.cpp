#include "famemely/registered_handler.hpp"

namespace famemely {

bool RegisteredHandler::call(const MqttMessage& message) {
  const std::lock_guard lock(running_);
  if (retired_) return false;
  struct End {
    ~End() {
      handler.runs_on_ = std::thread::id();
      if (handler.retired_) handler.function_ = nullptr;  // by itself
    }
    RegisteredHandler& handler;
  };
  const End end{*this};
  runs_on_ = std::this_thread::get_id();
  function_(message);
  return true;
}

void RegisteredHandler::retire() {
  retired_ = true;
  if (runs_on_ == std::this_thread::get_id()) return;
  const std::lock_guard lock(running_);
  function_ = nullptr;
}

}  // namespace famemely
