#include "io/worker_link.hpp"

#include <span>

namespace famemely::io {

WorkerLink::WorkerLink(std::size_t worker, std::size_t portion_bytes, serving::WorkerLoop& loop,
                       gateway::Application& application)
    : worker_(worker), portion_bytes_(portion_bytes), loop_(loop), application_(application) {
  loop.set_before_end([this] { push_commands(); });
}

void WorkerLink::push_commands() {
  std::vector<gateway::LinkCommand>& commands = application_.commands();
  if (commands.empty() || !port_) return;
  if (!full_ && port_->push(worker_, commands)) return;
  full_ = true;
  application_.on_link_full(commands, loop_.turns().now(), loop_.turns().effects());
}

void WorkerLink::on_events(std::vector<gateway::WorkerEvent>& events) {
  serving::Turns& turns = loop_.turns();
  turns.begin();
  std::span<gateway::WorkerEvent> rest(events);
  while (!rest.empty()) {
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < rest.size() && bytes < portion_bytes_; ++count) {
      bytes += gateway::weight(rest[count]);
      if (std::holds_alternative<gateway::Delivery>(rest[count])) turns.on_message();
    }
    application_.on_link_events(rest.first(count), turns.now(), turns.effects());
    turns.settle();
    rest = rest.subspan(count);
    if (!rest.empty()) turns.flush();
  }
  events.clear();
  turns.schedule_end();
}

void WorkerLink::on_room() {
  full_ = false;
  loop_.turns().schedule_end();
}

}  // namespace famemely::io
