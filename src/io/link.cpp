#include "io/link.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "serving/clocks.hpp"

namespace famemely::io {

Link::Link(const BrokerAddress& address, boost::asio::io_context& context, gateway::Bridge& bridge, bool own_loop,
           Logger& logger)
    : address_(address), context_(context), bridge_(bridge), logger_(logger), own_loop_(own_loop), timer_(context) {}

void Link::start() {
  blocked_.assign(gates_.size(), false);
  boost::asio::post(context_, [this] {
    bridge_.start(serving::read_clocks());
    follow_up();
  });
}

bool Link::push(std::size_t, std::vector<gateway::LinkCommand>& commands) {
  bridge_.on_commands(commands, serving::read_clocks());
  commands.clear();
  follow_up();
  return true;
}

void Link::on_worker_room(std::size_t worker) {
  blocked_[worker] = false;
  follow_up();
}

void Link::follow_up() {
  if (own_loop_) pace_.on_begin(serving::read_clocks().instant);
  for (bool called = true; called;) {
    bridge_.settle(serving::read_clocks());
    // Acknowledgements follow the hand-over, and answers follow what was written.
    hand_over();
    called = false;
    add_connections();
    for (const auto& connection : connections_) called |= connection->follow_up();
  }
  arm_timer();
  if (!own_loop_) return;  // the worker whose loop it is paces it
  if (std::exchange(messages_seen_, bridge_.counters().messages_in) != bridge_.counters().messages_in)
    pace_.on_message();
  serving::pause(pace_.on_end(serving::read_clocks().instant));
}

/// The bridge may have come to need more channels.
void Link::add_connections() {
  for (std::size_t i = connections_.size(); i < bridge_.channels().size(); ++i)
    connections_.push_back(std::make_unique<BrokerConnection>(address_, context_, *bridge_.channels()[i], logger_,
                                                              [this] { follow_up(); }));
}

void Link::hand_over() {
  for (std::size_t worker = 0; worker < gates_.size(); ++worker) {
    std::vector<gateway::WorkerEvent>& events = bridge_.events_for(worker);
    if (events.empty() || blocked_[worker]) continue;
    if (gates_[worker](events))
      bridge_.on_handed_over(worker, serving::read_clocks());
    else
      blocked_[worker] = true;
  }
}

void Link::arm_timer() {
  const Instant due = bridge_.next_deadline();
  if (due == kNever || due >= timer_armed_) return;
  timer_armed_ = due;
  timer_.expires_at(due);
  timer_.async_wait([this](const boost::system::error_code& fault) {
    if (fault) return;
    timer_armed_ = kNever;
    bridge_.on_timer(serving::read_clocks());
    follow_up();
  });
}

void Link::stop(Duration patience, std::function<void()> done) {
  bridge_.disconnect(serving::read_clocks());
  stopping_ = connections_.size();
  if (stopping_ == 0) return done();
  for (const auto& connection : connections_)
    connection->stop(patience, [this, done] {
      if (--stopping_ == 0) done();
    });
}

}  // namespace famemely::io
