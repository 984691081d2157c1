#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/instant.hpp"

namespace famemely::gateway {

/// One connection with the broker, as whoever opens transports sees it: it wishes a transport to be opened or closed,
/// and has bytes to be written. After any call to any channel of a bridge its caller looks at all of them.
class BrokerChannel {
 public:
  virtual ~BrokerChannel() = default;

  virtual void on_transport_open(Now now) = 0;
  virtual void on_bytes(std::string_view bytes, Now now) = 0;
  /// The transport is gone, or could not be opened, or was closed as we wished (then `why` is empty).
  virtual void on_transport_closed(const std::string& why, Now now) = 0;
  /// So many bytes of the output are on their way.
  virtual void on_written(std::size_t bytes, Now now) = 0;

  /// True once each time that a transport is to be opened, or closed.
  [[nodiscard]] bool take_open_wish() { return std::exchange(open_wish_, false); }
  [[nodiscard]] bool take_close_wish() { return std::exchange(close_wish_, false); }
  [[nodiscard]] std::string& output() { return output_; }

 protected:
  std::string output_;
  bool open_wish_ = false;
  bool close_wish_ = false;
};

}  // namespace famemely::gateway
