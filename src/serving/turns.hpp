#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <vector>

#include "protocol/socketio/service.hpp"
#include "serving/turn_pace.hpp"

namespace famemely::serving {

using Timer =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>;

/// A loop's turns: what arrives is told to the service, what the service wants done is done, and what it has queued for
/// clients leaves at the turn's end.
class Turns {
 public:
  /// Who takes part in the turns of this loop.
  class Parts {
   public:
    virtual ~Parts() = default;
    /// Does what one effect says.
    virtual void apply(engineio::IoEffect& effect) = 0;
    /// Before what is queued leaves.
    virtual void before_end() = 0;
    virtual void after_end() = 0;
  };

  Turns(boost::asio::io_context& context, socketio::Service& service, Parts& parts);

  [[nodiscard]] const Now& now() const { return now_; }
  [[nodiscard]] socketio::Effects& effects() { return effects_; }

  /// Something has arrived: reads the clocks, and lets the transports' timers fire that are due.
  void begin();
  /// A message is delivered in this turn.
  void on_message() { pace_.on_message(); }
  /// Does what the effects say, until there are none.
  void settle();
  /// Lets what is queued so far leave now; the turn goes on.
  void flush();
  void schedule_end();
  void end();

 private:
  boost::asio::io_context& context_;
  socketio::Service& service_;
  Parts& parts_;
  socketio::Effects effects_;
  std::vector<engineio::IoEffect> applied_;  // scratch of `settle`
  Now now_;
  TurnPace pace_;
  bool scheduled_ = false;
  bool settling_ = false;
};

}  // namespace famemely::serving
