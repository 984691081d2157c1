/// Connection State Recovery: the part of a node that keeps the sessions of sockets whose connections drop, and brings
/// them to wherever their clients come back.
///
/// A session that is kept stays a member of its rooms, under a number of its own, so what it misses is noted in the log
/// just as what a socket is sent. Whoever wants it asks all nodes. The question has one place in the order of what
/// nodes are told: the node that has the session gives away what it was sent up to there, and the asker notes what
/// comes after, to apply it once the session is here. So nothing is lost between the two and nothing comes twice.
#include <algorithm>
#include <utility>

#include "socketio/node.hpp"

namespace famemely::socketio {
namespace {

constexpr std::chrono::seconds kMoveTimeout{5};
constexpr std::chrono::seconds kTrimPace{1};
constexpr std::size_t kSessionBytes = 512;
constexpr std::size_t kRoomBytes = 128;

}  // namespace

EventNumber Node::next_event() { return recovers() ? ++last_event_ << 8 | id() : 0; }

Frame Node::encode(std::string_view nsp, std::string_view name, const Values& values, bool compress,
                   EventNumber event) {
  if (event == 0) return encode_event(nsp, name, values, compress);
  std::string args = values.json();
  append_offset(args, offset_of(event));
  const Frame frame = make_event_frame(nsp, name, args, values.attachment_views());
  return compress ? frame : frame.uncompressed();
}

// --- a client comes ---

void Node::want_session(Socket& socket, const RecoveryRequest& request) {
  const auto seen = event_of(request.offset);
  if (!seen) return run_middleware(socket.socket_, 0);
  const SessionWanted wanted{socket.nsp_.name_, request.pid, *seen, next_request(), id()};
  const Timers::Id timer =
      timers_.add(now_.instant + kMoveTimeout, [this, number = wanted.request] { finish_move(number, std::nullopt); });
  moves_.push_back({.wanted = wanted, .socket = socket.socket_, .nodes_due = adapter_->node_count(), .timer = timer});
  adapter_->publish(wanted);
}

/// Its session has come, if there is one; another client may have asked for it since.
void Node::go_on_connecting(SocketId id, std::optional<Sessions::Number> number, EventNumber seen) {
  Socket* socket = find(id);
  if (!socket) return;
  const Session* session = number ? sessions_.find(*number) : nullptr;
  if (!session) return run_middleware(id, 0);
  socket->wanted_ = {*number, seen};
  socket->recovered_ = true;
  socket->data_ = session->data;
  if (options_.recovery_skips_middleware)
    let_in(*socket);
  else
    run_middleware(id, 0);
}

Acceptance Node::admit(Socket& socket, std::vector<Frame>& missed) {
  socket.recovered_ = false;
  if (!socket.takes_offsets_) return {};
  const auto wanted = std::exchange(socket.wanted_, std::nullopt);
  if (Session* session = wanted ? sessions_.find(wanted->session) : nullptr) {
    if (const auto events = log_.missed(wanted->session, wanted->seen, options_.recovery_bytes)) {
      Rooms& rooms = socket.nsp_.rooms_;
      for (const std::string& room : rooms.rooms_of(wanted->session)) rooms.join(socket.socket_.slot, room);
      rooms.leave_all(wanted->session);
      --socket.nsp_.kept_;
      sessions_.unkeep(wanted->session);
      session->data.reset();
      session->socket = socket.socket_;
      socket.session_ = wanted->session;
      socket.recovered_ = true;
      for (const SentLog::Event& event : *events) missed.push_back(event.frame);
      return {.sid = session->sid, .pid = session->pid, .missed = missed};
    }
    end_session(wanted->session);
  }
  const Sid pid = Sid::make(random_, options_.server.owner);
  const Sid sid = Sid::make(random_, options_.server.owner);
  socket.session_ = sessions_.add({.pid = pid, .sid = sid, .nsp = socket.nsp_.name_, .socket = socket.socket_});
  log_.begin(*socket.session_);
  return {.sid = sid, .pid = pid};
}

// --- keeping ---

void Node::keep_session(Socket& socket) {
  const Sessions::Number number = *std::exchange(socket.session_, std::nullopt);
  const std::vector<std::string> rooms = socket.rooms();
  for (const std::string& room : rooms) socket.nsp_.rooms_.join(number, room);
  sessions_.find(number)->data = socket.data_;
  ++socket.nsp_.kept_;
  keep(number, rooms.size());
}

Sessions::Number Node::keep_moved(const SessionWanted& wanted, const MovedSession& moved) {
  const Sessions::Number number =
      sessions_.add({.pid = moved.pid, .sid = moved.sid, .nsp = wanted.nsp, .data = moved.data});
  log_.begin(number, moved.seen);
  for (const SentLog::Event& event : moved.missed) log_.add(event, {number}, now_.instant, log_limits());
  Namespace& nsp = of(wanted.nsp);
  for (const std::string& room : moved.rooms) nsp.rooms_.join(number, room);
  ++nsp.kept_;
  keep(number, moved.rooms.size());
  return number;
}

void Node::keep(Sessions::Number number, std::size_t rooms) {
  sessions_.keep(number, now_.instant + options_.recovery_window, kSessionBytes + rooms * kRoomBytes);
  keep_within_bounds();
}

void Node::change_room(Sessions::Number number, const std::string& room, bool join) {
  const Session& session = *sessions_.find(number);
  Rooms& rooms = of(session.nsp).rooms_;
  const Rooms::Member member = session.is_kept ? number : session.socket.slot;
  if (join)
    rooms.join(member, room);
  else
    rooms.leave(member, room);
}

void Node::end_session(Sessions::Number number) {
  const Session& session = *sessions_.find(number);
  if (session.is_kept) {
    Namespace& nsp = of(session.nsp);
    nsp.rooms_.leave_all(number);
    --nsp.kept_;
    perhaps_unused_.insert(nsp.name_);
  } else if (Socket* socket = find(session.socket)) {
    socket->session_.reset();
  }
  log_.end(number);
  sessions_.remove(number);
}

void Node::end_sessions() {
  for (const Sessions::Number number : sessions_.numbers()) end_session(number);
  while (!moves_.empty()) finish_move(moves_.front().wanted.request, std::nullopt);
}

/// One half of a node's share is the log's, the other the kept sessions'.
SentLog::Limits Node::log_limits() const {
  // A dead connection may go unnoticed as long as that.
  const Duration unnoticed = options_.server.ping_interval + options_.server.ping_timeout;
  return {options_.recovery_window + unnoticed, options_.recovery_bytes_total / 2 / adapter_->node_count()};
}

void Node::keep_within_bounds() {
  const SentLog::Limits limits = log_limits();
  log_.trim(now_.instant, limits);
  for (auto first = sessions_.first_to_end(); first; first = sessions_.first_to_end()) {
    if (sessions_.first_end() > now_.instant && sessions_.kept_bytes() <= limits.bytes_max) return;
    end_session(*first);
  }
}

Instant Node::recovery_deadline() const {
  const Instant trim = log_.empty() ? kNever : log_.oldest() + log_limits().window + kTrimPace;
  return std::min(trim, sessions_.first_end());
}

// --- from node to node ---

void Node::on(const SessionWanted& wanted) {
  for (Move& move : moves_)
    if (move.wanted.request == wanted.request && wanted.asker == id()) move.notes = true;
  // While a session is on its way here, `note` has put this question with what else it has to go through.
  const bool on_its_way = std::ranges::any_of(moves_, [&](const Move& move) {
    return move.notes && move.wanted.pid == wanted.pid && move.wanted.request != wanted.request;
  });
  if (!on_its_way) answer(wanted);
}

void Node::answer(const SessionWanted& wanted) {
  tell_node(wanted.asker, SessionGiven{wanted.request, take_session(wanted)});
}

std::optional<MovedSession> Node::take_session(const SessionWanted& wanted) {
  const auto number = sessions_.by_pid(wanted.pid);
  if (!number) return std::nullopt;
  Session& session = *sessions_.find(*number);
  auto missed = session.nsp == wanted.nsp ? log_.missed(*number, wanted.seen, options_.recovery_bytes) : std::nullopt;
  if (!missed) return std::nullopt;
  MovedSession moved{.pid = session.pid,
                     .sid = session.sid,
                     .rooms = {},
                     .data = std::move(session.data),
                     .seen = wanted.seen,
                     .missed = *std::move(missed)};
  // One that still has a socket: the old connection is dead, and only its client knows it yet.
  Socket* evicted = session.is_kept ? nullptr : find(session.socket);
  if (evicted) moved.data = evicted->data_;
  moved.rooms = of(wanted.nsp).rooms_.rooms_of(evicted ? evicted->socket_.slot : *number);
  end_session(*number);
  if (evicted) server_.close_transport(evicted->socket_, DisconnectReason::forced_close, now_, *effects_);
  return moved;
}

void Node::on(const SessionGiven& given) {
  const auto move = std::ranges::find_if(moves_, [&](const Move& one) { return one.wanted.request == given.request; });
  if (move == moves_.end()) return;
  --move->nodes_due;
  if (given.session || move->nodes_due == 0) finish_move(given.request, given.session);
}

void Node::note(const NodeMessage& message) {
  const auto concerns = [&](const Move& move) {
    if (const auto* event = std::get_if<Broadcast>(&message))
      return event->event != 0 && !event->is_volatile && event->to.nsp == move.wanted.nsp;
    if (const auto* change = std::get_if<RoomChange>(&message)) return change->of.nsp == move.wanted.nsp;
    if (const auto* end = std::get_if<DisconnectSockets>(&message)) return end->of.nsp == move.wanted.nsp;
    return false;
  };
  if (const auto* wanted = std::get_if<SessionWanted>(&message)) {
    // With the last one: that is where the session will be by then.
    for (auto move = moves_.rbegin(); move != moves_.rend(); ++move) {
      if (!move->notes || move->wanted.pid != wanted->pid) continue;
      move->meanwhile.push_back(message);
      return;
    }
    return;
  }
  for (Move& move : moves_) {
    if (!move.notes || move.too_much || !concerns(move)) continue;
    move.bytes += weight(message);
    move.meanwhile.push_back(message);
    if (move.bytes <= options_.recovery_bytes) continue;
    move.too_much = true;
    std::erase_if(move.meanwhile, [](const NodeMessage& one) { return !std::holds_alternative<SessionWanted>(one); });
  }
}

void Node::finish_move(RequestNumber request, const std::optional<MovedSession>& moved) {
  const auto found = std::ranges::find_if(moves_, [&](const Move& one) { return one.wanted.request == request; });
  if (found == moves_.end()) return;
  const Move move = std::move(*found);
  moves_.erase(found);
  timers_.cancel(move.timer);
  std::optional<Sessions::Number> number;
  if (moved && !move.too_much) number = keep_moved(move.wanted, *moved);
  for (const NodeMessage& message : move.meanwhile) {
    if (const auto* wanted = std::get_if<SessionWanted>(&message))
      answer(*wanted);
    else if (number && sessions_.find(*number))
      catch_up(*number, message);
  }
  deferred_.emplace_back(
      [this, socket = move.socket, number, seen = move.wanted.seen] { go_on_connecting(socket, number, seen); });
}

/// What this node's sockets have been told already.
void Node::catch_up(Sessions::Number number, const NodeMessage& message) {
  const Rooms& rooms = of(sessions_.find(number)->nsp).rooms_;
  const auto is_meant = [&](const Selection& to) {
    const auto is_in = [&](const std::string& room) { return rooms.is_in(number, room); };
    const bool is_among = to.rooms.empty() ? !rooms.rooms_of(number).empty() : std::ranges::any_of(to.rooms, is_in);
    return is_among && std::ranges::none_of(to.except, is_in);
  };
  if (const auto* event = std::get_if<Broadcast>(&message)) {
    if (is_meant(event->to)) log_.add({event->event, event->frame}, {number}, now_.instant, log_limits());
  } else if (const auto* change = std::get_if<RoomChange>(&message)) {
    if (!is_meant(change->of)) return;
    for (const std::string& room : change->rooms) change_room(number, room, change->join);
  } else if (const auto* end = std::get_if<DisconnectSockets>(&message)) {
    if (is_meant(end->of)) end_session(number);
  }
}

}  // namespace famemely::socketio
