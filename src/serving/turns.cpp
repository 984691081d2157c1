#include "serving/turns.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "serving/clocks.hpp"

namespace famemely::serving {
namespace {
constexpr std::chrono::milliseconds kPunctual{5};
}

Turns::Turns(boost::asio::io_context& context, socketio::Service& service, Parts& parts)
    : context_(context), service_(service), parts_(parts), now_(read_clocks()) {}

void Turns::begin() {
  now_ = read_clocks();
  pace_.on_begin(now_.instant);
  // What arrives after a deadline finds that it has passed, whichever of the two the reactor tells first. If the loop
  // was held up, nobody knows which came first, and the client has the benefit: a pong that waits to be read counts.
  const Instant due = service_.transports().next_deadline();
  if (due > now_.instant || now_.instant - due > kPunctual) return;
  service_.transports().on_timer(now_, effects_);
  schedule_end();
}

void Turns::settle() {
  if (settling_) return;
  settling_ = true;
  while (!effects_.for_application.empty() || !effects_.for_io.empty()) {
    // What the application queues in answer leaves with the end of a turn: of another one, if this one is ending.
    if (!effects_.for_application.empty()) schedule_end();
    service_.process(now_, effects_);
    applied_.swap(effects_.for_io);
    for (engineio::IoEffect& effect : applied_) parts_.apply(effect);
    applied_.clear();
  }
  settling_ = false;
}

void Turns::flush() {
  settle();
  service_.transports().end_of_turn(now_, effects_);
  settle();
}

void Turns::schedule_end() {
  if (std::exchange(scheduled_, true)) return;
  boost::asio::post(context_, [this] {
    scheduled_ = false;
    end();
    pause(pace_.on_end(read_clocks().instant));
  });
}

void Turns::end() {
  settle();
  parts_.before_end();
  flush();
  parts_.after_end();
}

}  // namespace famemely::serving
