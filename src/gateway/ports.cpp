#include "gateway/ports.hpp"

#include <iterator>
#include <utility>

namespace famemely::gateway {
namespace {
constexpr std::size_t kItemWeight = 128;
constexpr std::size_t kListedWeight = 256;
}  // namespace

void Survey::add(Survey other) {
  subscriptions.insert(subscriptions.end(), std::make_move_iterator(other.subscriptions.begin()),
                       std::make_move_iterator(other.subscriptions.end()));
  subscription_count += other.subscription_count;
  active_subscription_count += other.active_subscription_count;
  connected_clients += other.connected_clients;
  messages_in += other.messages_in;
  messages_out += other.messages_out;
  messages_dropped += other.messages_dropped;
  publishes += other.publishes;
  sockets.insert(sockets.end(), std::make_move_iterator(other.sockets.begin()),
                 std::make_move_iterator(other.sockets.end()));
  administrators += other.administrators;
  connections += other.connections;
  polling_connections += other.polling_connections;
  traffic.add(other.traffic);
}

std::size_t weight(const LinkCommand& command) {
  if (const auto* publish = std::get_if<PublishCommand>(&command)) return kItemWeight + publish->message.payload.size();
  if (const auto* reply = std::get_if<SurveyReply>(&command))
    return kItemWeight + (reply->part.subscriptions.size() + reply->part.sockets.size()) * kListedWeight;
  return kItemWeight;
}

std::size_t weight(const WorkerEvent& event) {
  if (const auto* delivery = std::get_if<Delivery>(&event)) return kItemWeight + delivery->frame.size();
  std::size_t bytes = kItemWeight;
  if (const auto* recovered = std::get_if<Recovered>(&event))
    for (const Delivery& missed : recovered->missed) bytes += kItemWeight + missed.frame.size();
  return bytes;
}

}  // namespace famemely::gateway
