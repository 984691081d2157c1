#include "protocol/engineio/server.hpp"

#include <algorithm>

#include "base/http_error.hpp"
#include "base/json_text.hpp"

namespace famemely::engineio {
namespace {

constexpr Duration kTimerLatenessMax = std::chrono::milliseconds(10);
/// Sessions end when their clients like.
constexpr std::string_view kRetryAfterSeconds = "5";
constexpr std::uint32_t kQueueBytesMax = 0xF0000000;  // so that the count of an outbox can't wrap round

Frame make_close_frame(std::uint16_t code, std::string_view reason) {
  std::string bytes;
  websocket::append_close(bytes, code, reason);
  return Frame(SharedBytes(bytes));
}

}  // namespace

Server::Server(Options options, RandomSource& random)
    : options_(std::move(options)),
      random_(random),
      heartbeats_(TimerWheel::tick_for(std::min(options_.ping_interval, options_.ping_timeout))),
      upgrades_(TimerWheel::tick_for(options_.upgrade_timeout)),
      deflated_(options_.websocket_compression_bytes_min.value_or(0)),
      ping_(make_text_frame("2")),
      empty_close_(make_close_frame(websocket::kCloseNoStatus, {})) {
  options_.client_queue_bytes_max = std::min(options_.client_queue_bytes_max, kQueueBytesMax);
}

bool Server::serves(std::string_view path) const {
  const std::string_view own = options_.path;
  return path == own || (own.ends_with('/') && path == own.substr(0, own.size() - 1));
}

std::optional<std::uint8_t> Server::owner_of(const HttpRequest& request) {
  const auto text = request.query_parameter("sid");
  if (!text) return std::nullopt;
  const auto sid = Sid::parse(*text);
  if (!sid) return std::nullopt;
  return sid->owner();
}

std::optional<Admission::Place> Server::admit(ConnectionId connection, const HttpRequest& request, Now now,
                                              IoEffects& io) {
  if (!options_.admission) return Admission::Place();
  auto place = options_.admission->admit(request.remote_address, now.instant);
  if (place) return *std::move(place);
  HttpResponse response = http_error(place.error().status, place.error().message);
  response.fields.add("Cache-Control", "no-store");
  response.fields.add("Retry-After", std::string(kRetryAfterSeconds));
  io.emplace_back(Respond{connection, std::move(response)});
  return std::nullopt;
}

std::uint32_t Server::open(const HttpRequest& request, Admission::Place place, Now now) {
  std::uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(sessions_.size());
    sessions_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Session& session = sessions_[slot];
  do {
    session.sid = Sid::make(random_, options_.owner);
  } while (by_sid_.find(session.sid.hash()));
  by_sid_.put(session.sid.hash(), slot);
  session.phase = SessionPhase::open;
  session.place = std::move(place);
  ++open_count_;
  heartbeats_.set(slot, now.instant + options_.ping_interval);
  events_.emplace_back(SessionOpened{id_of(slot),
                                     {std::string(request.fields.value_or("Authorization", "")),
                                      std::string(request.origin()), request.remote_address}});
  return slot;
}

std::string Server::open_packet(std::uint32_t slot) const {
  const Session& session = sessions_[slot];
  std::string packet = "0{\"sid\":" + json_string(session.sid.text());
  packet += session.polling && options_.websocket ? ",\"upgrades\":[\"websocket\"]" : ",\"upgrades\":[]";
  packet += ",\"pingInterval\":" + std::to_string(options_.ping_interval.count());
  packet += ",\"pingTimeout\":" + std::to_string(options_.ping_timeout.count());
  packet += ",\"maxPayload\":" + std::to_string(options_.message_bytes_max) + "}";
  return packet;
}

std::optional<Event> Server::next(Now now, IoEffects& io) {
  while (true) {
    if (next_event_ < events_.size()) return std::move(events_[next_event_++]);
    events_.clear();
    next_event_ = 0;
    std::optional<Event> event;
    if (std::holds_alternative<SocketInput>(input_)) {
      event = next_of_socket(now, io);
    } else if (std::holds_alternative<PostInput>(input_)) {
      event = next_of_post(now, io);
    } else {
      return std::nullopt;
    }
    if (event) return event;
  }
}

std::optional<Event> Server::on_packet(std::uint32_t slot, const Packet& packet, Now now) {
  Session& session = sessions_[slot];
  if (session.ping_outstanding) {
    if (packet.type == PacketType::pong) {
      session.ping_outstanding = false;
      session.deadline_extended = false;
      heartbeats_.set(slot, now.instant + options_.ping_interval);
    } else if (!session.deadline_extended) {
      // Something large may be on its way before the pong; but whoever only ever sends does not listen.
      session.deadline_extended = true;
      heartbeats_.set(slot, now.instant + options_.ping_timeout);
    }
  }
  switch (packet.type) {
    case PacketType::message:
      return MessageReceived{id_of(slot), packet.binary, packet.data};
    case PacketType::close:
      close_session(slot, {.reason = CloseReason::transport_close, .close_frame = empty_close_, .last_packet = '6'},
                    now);
      return std::nullopt;
    case PacketType::ping:
      // In protocol 4 it is the server that pings.
      close_session(slot, {.reason = CloseReason::transport_error, .close_frame = empty_close_}, now);
      return std::nullopt;
    case PacketType::open:
    case PacketType::pong:
    case PacketType::upgrade:
    case PacketType::noop:
      return std::nullopt;
  }
  return std::nullopt;
}

void Server::on_heartbeat_due(std::uint32_t slot, Instant deadline, Now now) {
  Session& session = sessions_[slot];
  if (session.phase == SessionPhase::closing) {
    end_polling(slot, now);
  } else if (session.ping_outstanding) {
    count(options_.limit_counters, Limit::ping_timeout);
    close_session(slot, {.reason = CloseReason::ping_timeout, .close_frame = empty_close_}, now);
  } else {
    session.ping_outstanding = true;
    session.deadline_extended = false;
    // It overtakes the queue, or a client that is slow to fetch much would take the server for dead.
    pool_.push_ahead(session.outbox, ping_);
    mark_dirty(slot);
    // The ticks of the wheel must not add up, but a loop that was held up must not cost the client its time either.
    heartbeats_.set(slot, std::max(deadline, now.instant - kTimerLatenessMax) + options_.ping_timeout);
  }
}

void Server::on_timer(Now now, IoEffects& io) {
  while (const auto due = heartbeats_.take_due(now.instant)) on_heartbeat_due(due->id, due->deadline, now);
  while (const auto due = upgrades_.take_due(now.instant)) {
    count(options_.limit_counters, Limit::upgrade_timeout);
    drop_probe(due->id, empty_close_, false, now);
  }
  while (!leaving_deadlines_.empty() && leaving_deadlines_.front().first <= now.instant) {
    const ConnectionId connection = leaving_deadlines_.front().second;
    leaving_deadlines_.pop_front();
    const auto found = leaving_.find(connection);
    if (found == leaving_.end()) continue;
    pool_.clear(found->second.outbox);
    leaving_.erase(found);
    io.emplace_back(CloseConnection{connection});
  }
}

Instant Server::next_deadline() const {
  const Instant leaving = leaving_deadlines_.empty() ? kNever : leaving_deadlines_.front().first;
  return std::min({heartbeats_.next(), upgrades_.next(), leaving});
}

void Server::end_of_turn(Now now, IoEffects& io) {
  for (const std::uint32_t slot : dirty_) {
    Session& session = sessions_[slot];
    if (!session.dirty) continue;
    session.dirty = false;
    if (session.websocket != kNoConnection) {
      if (session.outbox.empty() || session.write_announced) continue;
      session.write_announced = true;
      io.emplace_back(WriteReady{session.websocket});
    } else if (session.polling) {
      PollingState& polling = *session.polling;
      if (!polling.probe_outbox.empty() && !polling.probe_write_announced) {
        polling.probe_write_announced = true;
        io.emplace_back(WriteReady{polling.probe});
      }
      answer_poll(slot, now, io);
    }
  }
  dirty_.clear();
  for (const ConnectionId connection : dirty_leaving_) {
    const auto found = leaving_.find(connection);
    if (found == leaving_.end() || found->second.write_announced || found->second.outbox.empty()) continue;
    found->second.write_announced = true;
    io.emplace_back(WriteReady{connection});
  }
  dirty_leaving_.clear();
  deflated_.forget();
}

void Server::close_session(std::uint32_t slot, const Ending& ending, Now now) {
  Session& session = sessions_[slot];
  --open_count_;
  events_.emplace_back(SessionClosed{id_of(slot), ending.reason});
  if (ending.queue == Queue::drop) pool_.drop_unstarted(session.outbox);
  if (session.websocket != kNoConnection) {
    LeavingSocket leaving{std::exchange(session.outbox, {}), std::move(session.decoder), session.write_announced,
                          ending.peer_closed};
    let_leave(std::exchange(session.websocket, kNoConnection), std::move(leaving), ending.close_frame, now);
    free_session(slot);
    return;
  }
  if (!session.polling) {
    free_session(slot);
    return;
  }
  PollingState& polling = *session.polling;
  if (polling.post != kNoConnection) by_connection_.erase(std::exchange(polling.post, kNoConnection));
  if (polling.poll == kNoConnection && !ending.await_poll) {
    end_polling(slot, now);
    return;
  }
  // The answer goes out at the end of the turn, or with the next poll. A probe that has been answered may yet take over
  // and be told instead: JavaScript's client has stopped polling by then, and would not notice that its probe closes.
  if (polling.probe != kNoConnection && !polling.probe_answered) drop_probe(slot, empty_close_, false, now);
  session.phase = SessionPhase::closing;
  polling.last_packet = ending.last_packet;
  polling.close_frame = ending.close_frame;
  heartbeats_.set(slot, now.instant + options_.close_grace);
  mark_dirty(slot);
}

void Server::end_polling(std::uint32_t slot, Now now) {
  if (sessions_[slot].polling->probe != kNoConnection) drop_probe(slot, empty_close_, false, now);
  free_session(slot);
}

void Server::free_session(std::uint32_t slot) {
  Session& session = sessions_[slot];
  by_sid_.erase(session.sid.hash());
  heartbeats_.cancel(slot);
  upgrades_.cancel(slot);
  pool_.clear(session.outbox);
  if (session.polling && session.polling->poll != kNoConnection) by_connection_.erase(session.polling->poll);
  const std::uint32_t generation = session.generation;
  session = Session();
  session.generation = generation + 1;
  free_slots_.push_back(slot);
}

void Server::mark_dirty(std::uint32_t slot) {
  Session& session = sessions_[slot];
  if (session.dirty) return;
  session.dirty = true;
  dirty_.push_back(slot);
}

const Frame& Server::outgoing(std::uint32_t slot, const Frame& frame) {
  const std::uint8_t window_bits = sessions_[slot].deflate_bits;
  return window_bits == 0 ? frame : deflated_.of(frame, window_bits);
}

void Server::push(std::uint32_t slot, const Frame& outgoing) {
  pool_.push(sessions_[slot].outbox, outgoing);
  mark_dirty(slot);
}

void Server::tell_drained(std::uint32_t slot) {
  if (!sessions_[slot].tell_when_drained) return;
  sessions_[slot].tell_when_drained = false;
  events_.emplace_back(SessionDrained{id_of(slot)});
}

bool Server::is_open(SessionId id) const {
  if (id.slot >= sessions_.size()) return false;
  const Session& session = sessions_[id.slot];
  return session.generation == id.generation && session.phase == SessionPhase::open;
}

bool Server::is_receiving(SessionId id) const {
  if (!is_open(id)) return false;
  const Session& session = sessions_[id.slot];
  if (session.websocket != kNoConnection) return session.decoder.inside_message();
  return session.polling && session.polling->post != kNoConnection;
}

std::size_t Server::leaving_count() const {
  const auto is_owed = [](const Session& session) {
    return session.phase == SessionPhase::closing && !session.outbox.empty();
  };
  return leaving_.size() + static_cast<std::size_t>(std::ranges::count_if(sessions_, is_owed));
}

bool Server::has_room(SessionId id, std::size_t bytes) const {
  if (!is_open(id)) return false;
  const Session& session = sessions_[id.slot];
  const std::uint32_t counted = session.outbox.bytes - std::min(session.uncounted_bytes, session.outbox.bytes);
  return counted + bytes <= options_.client_queue_bytes_max;
}

SendResult Server::send(SessionId id, const Frame& frame) {
  if (!is_open(id)) return SendResult::gone;
  const Frame& own = outgoing(id.slot, frame);
  Session& session = sessions_[id.slot];
  session.uncounted_bytes = std::min(session.uncounted_bytes, session.outbox.bytes);
  if (!has_room(id, own.size())) return SendResult::full;
  push(id.slot, own);
  return SendResult::queued;
}

void Server::send_anyway(SessionId id, const Frame& frame) {
  if (is_open(id)) push(id.slot, outgoing(id.slot, frame));
}

void Server::send_uncounted(SessionId id, const Frame& frame) {
  if (!is_open(id)) return;
  const Frame& own = outgoing(id.slot, frame);
  sessions_[id.slot].uncounted_bytes += static_cast<std::uint32_t>(own.size());
  push(id.slot, own);
}

void Server::tell_when_drained(SessionId id) {
  if (!is_open(id)) return;
  Session& session = sessions_[id.slot];
  session.tell_when_drained = true;
  if (session.outbox.empty()) tell_drained(id.slot);
}

void Server::close(SessionId id, CloseReason reason, Now now, Queue queue, std::uint16_t close_code,
                   std::string_view close_reason) {
  if (!is_open(id)) return;
  close_session(id.slot,
                {.reason = reason,
                 .queue = queue,
                 .close_frame = close_code == websocket::kCloseNoStatus ? empty_close_
                                                                        : make_close_frame(close_code, close_reason),
                 .await_poll = true},
                now);
}

std::size_t Server::queued_bytes(SessionId id) const { return is_open(id) ? sessions_[id.slot].outbox.bytes : 0; }

Transport Server::transport(SessionId id) const {
  return is_open(id) && sessions_[id.slot].polling ? Transport::polling : Transport::websocket;
}

std::vector<SessionId> Server::sessions() const {
  std::vector<SessionId> open;
  for (std::uint32_t slot = 0; slot < sessions_.size(); ++slot)
    if (sessions_[slot].phase == SessionPhase::open) open.push_back(id_of(slot));
  return open;
}

}  // namespace famemely::engineio
