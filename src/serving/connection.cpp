#include "serving/connection.hpp"

#include <utility>

namespace famemely::serving {

Connection& ConnectionTable::add(Connection::Socket socket) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  Slot& slot = slots_[place];
  slot.connection = std::make_unique<Connection>(std::move(socket), std::uint64_t{slot.generation} << 32 | place);
  ++used_;
  return *slot.connection;
}

Connection* ConnectionTable::find(engineio::ConnectionId id) {
  const auto place = static_cast<std::uint32_t>(id);
  if (place >= slots_.size() || slots_[place].generation != id >> 32) return nullptr;
  return slots_[place].connection.get();
}

void ConnectionTable::erase(engineio::ConnectionId id) {
  if (!find(id)) return;
  const auto place = static_cast<std::uint32_t>(id);
  slots_[place].connection.reset();
  ++slots_[place].generation;
  free_.push_back(place);
  --used_;
}

}  // namespace famemely::serving
