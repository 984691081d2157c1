#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace famemely::mqtt {

/// Hands out the packet identifiers of what we send (MQTT 5 section 2.2.1): publishes, subscribes and unsubscribes
/// share them. One that is released comes again late, so that a stray acknowledgement meets nobody.
class PacketIds {
 public:
  static constexpr std::uint16_t kMax = 65'535;

  [[nodiscard]] bool available() const { return fresh_ < kMax || !released_.empty(); }
  /// Nothing if all 65,535 are in use.
  std::optional<std::uint16_t> acquire() {
    if (fresh_ < kMax && released_.size() < kRestingMin) return static_cast<std::uint16_t>(++fresh_);
    if (released_.empty()) return std::nullopt;
    const std::uint16_t id = released_.front();
    released_.pop_front();
    return id;
  }
  void release(std::uint16_t id) { released_.push_back(id); }
  [[nodiscard]] std::size_t in_use() const { return fresh_ - released_.size(); }

 private:
  static constexpr std::size_t kRestingMin = 256;

  std::uint32_t fresh_ = 0;  // the highest that has been handed out
  std::deque<std::uint16_t> released_;
};

}  // namespace famemely::mqtt
