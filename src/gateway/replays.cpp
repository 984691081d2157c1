#include "gateway/replays.hpp"

#include <utility>

namespace famemely::gateway {

void Replays::add(ClientSlot client, FilterId filter, std::shared_ptr<const RetainedList> list,
                  MessageSequence joined_at) {
  replays_[client].push_back({.filter = filter, .list = std::move(list), .joined_at = joined_at});
}

const RetainedMessage* Replays::next(ClientSlot client) {
  const auto found = replays_.find(client);
  if (found == replays_.end()) return nullptr;
  std::deque<Replay>& waiting = found->second;
  for (; !waiting.empty(); waiting.pop_front()) {
    Replay& replay = waiting.front();
    for (; replay.at < replay.list->messages.size(); ++replay.at) {
      const RetainedMessage& message = replay.list->messages[replay.at];
      if (!replay.list->is_for(message, replay.joined_at)) continue;
      const auto live = replay.live.find(message.topic);
      if (live == replay.live.end()) return &message;
      // What was fetched a second time and is overtaken again stays away.
      if (live->second.overtaking == Overtaking::perhaps && !replay.list->second_time)
        replay.left_out.emplace(message.topic, live->second.sequence);
    }
    if (!replay.left_out.empty())
      left_out_.push_back({client, replay.filter, replay.joined_at, std::move(replay.left_out)});
  }
  replays_.erase(found);
  return nullptr;
}

void Replays::pop(ClientSlot client) { ++replays_.at(client).front().at; }

void Replays::on_live_message(ClientSlot client, std::string_view topic, MessageSequence sequence,
                              Overtaking overtaking) {
  const auto found = replays_.find(client);
  if (found == replays_.end()) return;
  for (Replay& replay : found->second) replay.live.insert_or_assign(std::string(topic), Live{sequence, overtaking});
}

std::deque<Replays::Replay> Replays::take(ClientSlot client) {
  auto taken = replays_.extract(client);
  return taken.empty() ? std::deque<Replay>() : std::move(taken.mapped());
}

void Replays::give(ClientSlot client, std::deque<Replay> replays) {
  if (!replays.empty()) replays_.insert_or_assign(client, std::move(replays));
}

void Replays::stop(ClientSlot client, FilterId filter) {
  const auto found = replays_.find(client);
  if (found == replays_.end()) return;
  std::erase_if(found->second, [&](const Replay& replay) { return replay.filter == filter; });
  if (found->second.empty()) replays_.erase(found);
}

}  // namespace famemely::gateway
