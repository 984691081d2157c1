#include <utility>

#include "protocol/engineio/server.hpp"
#include "protocol/websocket/deflate_offer.hpp"
#include "protocol/websocket/handshake.hpp"

namespace famemely::engineio {
namespace {

/// Answers to probes and pings that a probing socket does not take.
constexpr std::uint32_t kProbeQueueBytesMax = 4096;

Frame make_pong_frame(std::string_view payload) {
  std::string bytes;
  websocket::append_pong(bytes, payload);
  return Frame(SharedBytes(bytes));
}

Frame make_close_frame(std::uint16_t code) {
  std::string bytes;
  websocket::append_close(bytes, code, {});
  return Frame(SharedBytes(bytes));
}

}  // namespace

void Server::on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, IoEffects& io) {
  if (const auto error = check_for_upgrade(request)) {
    io.emplace_back(Respond{connection, error_response(*error)});
    return;
  }
  const auto slot = find_session(request);
  std::optional<Admission::Place> place;
  if (!slot) {
    place = admit(connection, request, now, io);
    if (!place) return;
  }
  HttpResponse response = websocket::accept_upgrade(request);
  std::uint8_t deflate_bits = 0;
  if (options_.websocket_compression_bytes_min)
    if (const auto agreement = websocket::choose_deflate(request.fields).value_or(std::nullopt)) {
      response.fields.add("Sec-WebSocket-Extensions", websocket::deflate_answer(*agreement));
      deflate_bits = agreement->server_window_bits;
    }
  io.emplace_back(AcceptUpgrade{connection, std::move(response)});
  websocket::Decoder decoder(websocket::Role::server, options_.message_bytes_max);
  if (!slot) {
    const std::uint32_t opened = open(request, *std::move(place), now);
    sessions_[opened].websocket = connection;
    sessions_[opened].decoder = std::move(decoder);
    sessions_[opened].deflate_bits = deflate_bits & 0xF;
    by_connection_.put(connection, opened);
    push(opened, make_text_frame(open_packet(opened)));
    return;
  }
  Session& session = sessions_[*slot];
  if (!session.polling || session.polling->probe != kNoConnection) {
    // A second one for the session: the first is untouched.
    let_leave(connection, {.outbox = {}, .decoder = std::move(decoder)}, empty_close_, now);
    return;
  }
  session.polling->probe = connection;
  session.polling->probe_decoder = std::move(decoder);
  session.polling->probe_deflate_bits = deflate_bits;
  by_connection_.put(connection, *slot);
  upgrades_.set(*slot, now.instant + options_.upgrade_timeout);
}

void Server::on_websocket_bytes(ConnectionId connection, std::span<char> bytes) {
  if (const auto leaving = leaving_.find(connection); leaving != leaving_.end()) {
    leaving->second.decoder.feed(bytes);
  } else if (const auto slot = by_connection_.find(connection)) {
    Session& session = sessions_[*slot];
    if (session.websocket == connection) {
      session.decoder.feed(bytes);
    } else if (session.polling && session.polling->probe == connection) {
      session.polling->probe_decoder.feed(bytes);
    } else {
      return;
    }
  } else {
    return;
  }
  input_ = SocketInput{connection};
}

std::optional<Event> Server::next_of_socket(Now now, IoEffects& io) {
  const ConnectionId connection = std::get<SocketInput>(input_).connection;
  if (const auto leaving = leaving_.find(connection); leaving != leaving_.end()) {
    // Only its goodbye is of interest, behind whatever it had begun to send.
    const auto event = leaving->second.decoder.next(&inflater_);
    if (!event) {
      input_ = NoInput{};
    } else if (std::holds_alternative<websocket::Close>(*event) || std::holds_alternative<websocket::Fault>(*event)) {
      leaving->second.peer_closed = true;
      if (leaving->second.outbox.empty()) {
        leaving_.erase(leaving);
        io.emplace_back(CloseConnection{connection});
        input_ = NoInput{};
      }
    }
    return std::nullopt;
  }
  const auto slot = by_connection_.find(connection);
  if (!slot) {
    input_ = NoInput{};
    return std::nullopt;
  }
  Session& session = sessions_[*slot];
  const bool probing = session.websocket != connection;
  const std::uint8_t deflate_bits = probing ? session.polling->probe_deflate_bits : session.deflate_bits;
  websocket::Decoder& decoder = probing ? session.polling->probe_decoder : session.decoder;
  const auto event = decoder.next(deflate_bits == 0 ? nullptr : &inflater_);
  if (!event) {
    input_ = NoInput{};
    return std::nullopt;
  }
  if (!probing) return on_socket_event(*slot, *event, now);
  on_probe_event(*slot, *event, now, io);
  return std::nullopt;
}

void Server::on_probe_event(std::uint32_t slot, const websocket::Event& event, Now now, IoEffects& io) {
  PollingState& polling = *sessions_[slot].polling;
  if (std::holds_alternative<websocket::Pong>(event)) return;
  if (const auto* close = std::get_if<websocket::Close>(&event)) {
    drop_probe(slot, make_close_frame(close->code), true, now);
    return;
  }
  const bool room = polling.probe_outbox.bytes < kProbeQueueBytesMax;
  if (const auto* ping = std::get_if<websocket::Ping>(&event)) {
    if (room) pool_.push(polling.probe_outbox, make_pong_frame(ping->data));
    mark_dirty(slot);
    return;
  }
  const auto* message = std::get_if<websocket::Message>(&event);
  const bool text = message && message->opcode == websocket::Opcode::text;
  if (text && message->data == "2probe" && room) {
    pool_.push(polling.probe_outbox, make_text_frame("3probe"));
    polling.probe_answered = true;
    mark_dirty(slot);
  } else if (text && message->data == "5" && polling.probe_answered) {
    switch_transport(slot, now, io);
  } else {
    const auto* fault = std::get_if<websocket::Fault>(&event);
    drop_probe(slot, fault ? make_close_frame(fault->close_code) : empty_close_, false, now);
  }
}

void Server::switch_transport(std::uint32_t slot, Now now, IoEffects& io) {
  Session& session = sessions_[slot];
  PollingState& polling = *session.polling;
  if (polling.poll != kNoConnection) {
    // Whatever is queued goes over the WebSocket: this poll only has to come back.
    HttpResponse response;
    response.fields.add("Content-Type", "text/plain; charset=UTF-8");
    response.fields.add("Cache-Control", "no-store");
    response.body = "6";
    by_connection_.erase(polling.poll);
    io.emplace_back(Respond{polling.poll, std::move(response)});
  }
  if (polling.post != kNoConnection) by_connection_.erase(polling.post);
  upgrades_.cancel(slot);
  pool_.append(polling.probe_outbox, session.outbox);
  session.outbox = polling.probe_outbox;
  session.websocket = polling.probe;
  session.decoder = std::move(polling.probe_decoder);
  // What was queued for polling goes out as it is.
  session.deflate_bits = polling.probe_deflate_bits & 0xF;
  session.write_announced = polling.probe_write_announced;
  if (session.phase == SessionPhase::closing) {
    LeavingSocket leaving{std::exchange(session.outbox, {}), std::move(session.decoder), session.write_announced};
    let_leave(std::exchange(session.websocket, kNoConnection), std::move(leaving), polling.close_frame, now);
    polling.poll = kNoConnection;
    free_session(slot);
    return;
  }
  session.polling.reset();
  mark_dirty(slot);
}

std::optional<Event> Server::on_socket_event(std::uint32_t slot, const websocket::Event& event, Now now) {
  if (const auto* message = std::get_if<websocket::Message>(&event)) {
    if (message->opcode == websocket::Opcode::binary)
      return on_packet(slot, {PacketType::message, true, message->data}, now);
    if (const auto packet = decode_text_packet(message->data, scratch_)) return on_packet(slot, *packet, now);
    close_session(slot, {.reason = CloseReason::parse_error, .close_frame = empty_close_}, now);
  } else if (const auto* ping = std::get_if<websocket::Ping>(&event)) {
    // Pongs to a peer that reads nothing must not pile up (RFC 6455 section 5.5.3 lets us answer the last alone).
    if (sessions_[slot].outbox.bytes < options_.client_queue_bytes_max) push(slot, make_pong_frame(ping->data));
  } else if (const auto* close = std::get_if<websocket::Close>(&event)) {
    close_session(
        slot,
        {.reason = CloseReason::transport_close, .close_frame = make_close_frame(close->code), .peer_closed = true},
        now);
  } else if (const auto* fault = std::get_if<websocket::Fault>(&event)) {
    if (fault->close_code == websocket::kCloseTooBig) count(options_.limit_counters, Limit::message_size);
    close_session(slot, {.reason = CloseReason::transport_error, .close_frame = make_close_frame(fault->close_code)},
                  now);
  }
  return std::nullopt;
}

void Server::drop_probe(std::uint32_t slot, const Frame& close_frame, bool peer_closed, Now now) {
  PollingState& polling = *sessions_[slot].polling;
  LeavingSocket leaving{std::exchange(polling.probe_outbox, {}), std::move(polling.probe_decoder),
                        std::exchange(polling.probe_write_announced, false), peer_closed};
  upgrades_.cancel(slot);
  polling.probe_answered = false;
  let_leave(std::exchange(polling.probe, kNoConnection), std::move(leaving), close_frame, now);
}

void Server::let_leave(ConnectionId connection, LeavingSocket leaving, const Frame& close_frame, Now now) {
  by_connection_.erase(connection);
  leaving.deadline = now.instant + options_.close_grace;
  pool_.push(leaving.outbox, close_frame);
  leaving_deadlines_.emplace_back(leaving.deadline, connection);
  leaving_.emplace(connection, std::move(leaving));
  dirty_leaving_.push_back(connection);
}

void Server::on_disconnected(ConnectionId connection, Now now, IoEffects&) {
  if (const auto leaving = leaving_.find(connection); leaving != leaving_.end()) {
    pool_.clear(leaving->second.outbox);
    leaving_.erase(leaving);
    return;
  }
  const auto slot = by_connection_.find(connection);
  if (!slot) return;
  by_connection_.erase(connection);
  Session& session = sessions_[*slot];
  if (session.websocket == connection) {
    session.websocket = kNoConnection;
    close_session(*slot, {.reason = CloseReason::transport_close, .close_frame = {}}, now);
    return;
  }
  PollingState& polling = *session.polling;
  if (polling.probe == connection) {
    upgrades_.cancel(*slot);
    pool_.clear(polling.probe_outbox);
    polling.probe = kNoConnection;
    polling.probe_answered = false;
    polling.probe_write_announced = false;
    return;
  }
  if (polling.poll == connection) polling.poll = kNoConnection;
  if (polling.post == connection) polling.post = kNoConnection;
  if (session.phase == SessionPhase::open) {
    close_session(*slot, {.reason = CloseReason::transport_error, .close_frame = empty_close_}, now);
  } else {
    end_polling(*slot, now);
  }
}

const Outbox* Server::outbox_of(ConnectionId connection) const {
  if (const auto leaving = leaving_.find(connection); leaving != leaving_.end()) return &leaving->second.outbox;
  const auto slot = by_connection_.find(connection);
  if (!slot) return nullptr;
  const Session& session = sessions_[*slot];
  if (session.websocket == connection) return &session.outbox;
  return session.polling && session.polling->probe == connection ? &session.polling->probe_outbox : nullptr;
}

std::size_t Server::gather(ConnectionId connection, std::span<Piece> pieces) const {
  const Outbox* outbox = outbox_of(connection);
  return outbox ? pool_.gather(*outbox, pieces) : 0;
}

bool Server::wrote(ConnectionId connection, std::size_t bytes, IoEffects& io) {
  if (const auto leaving = leaving_.find(connection); leaving != leaving_.end()) {
    pool_.consume(leaving->second.outbox, bytes);
    if (!leaving->second.outbox.empty()) return true;
    leaving->second.write_announced = false;
    if (leaving->second.peer_closed) {
      leaving_.erase(leaving);
      io.emplace_back(CloseConnection{connection});
    }
    return false;
  }
  const auto slot = by_connection_.find(connection);
  if (!slot) return false;
  Session& session = sessions_[*slot];
  if (session.websocket == connection) {
    pool_.consume(session.outbox, bytes);
    if (!session.outbox.empty()) return true;
    session.write_announced = false;
    tell_drained(*slot);
    return false;
  }
  if (!session.polling || session.polling->probe != connection) return false;
  pool_.consume(session.polling->probe_outbox, bytes);
  if (!session.polling->probe_outbox.empty()) return true;
  session.polling->probe_write_announced = false;
  return false;
}

}  // namespace famemely::engineio
