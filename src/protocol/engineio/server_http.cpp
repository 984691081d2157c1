#include <string>

#include "base/content_coding.hpp"
#include "base/json_text.hpp"
#include "protocol/engineio/server.hpp"
#include "protocol/websocket/deflate_offer.hpp"
#include "protocol/websocket/handshake.hpp"

namespace famemely::engineio {
namespace {

constexpr std::string_view kProtocolVersion = "4";
constexpr std::string_view kPolling = "polling";
constexpr std::string_view kWebsocket = "websocket";

/// Old Java clients break at a 200 without Content-Type; nothing of this may be kept by a cache.
HttpResponse make_response(int status, std::string_view content_type, std::string body) {
  HttpResponse response;
  response.status = status;
  response.fields.add("Content-Type", std::string(content_type));
  response.fields.add("Cache-Control", "no-store");
  response.body = std::move(body);
  return response;
}

HttpResponse too_large_response() {
  HttpResponse response;
  response.status = 413;
  return response;
}

std::string_view media_type(const HttpRequest& request) {
  std::string_view type = request.fields.value_or("Content-Type", "");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

bool takes_gzip(const HttpRequest& request) { return accepts_gzip(request.fields.value_or("Accept-Encoding", "")); }

/// An empty sid is none, as for the official server.
std::optional<std::string> sid_of(const HttpRequest& request) {
  auto sid = request.query_parameter("sid");
  if (sid && sid->empty()) return std::nullopt;
  return sid;
}

}  // namespace

HttpResponse Server::error_response(ErrorCode code) {
  struct Row {
    std::string_view message;
    int status;
  };
  static constexpr Row kRows[] = {
      {"Transport unknown", 400}, {"Session ID unknown", 400}, {"Bad handshake method", 400},
      {"Bad request", 400},       {"Forbidden", 403},          {"Unsupported protocol version", 400},
  };
  const Row& row = kRows[static_cast<std::size_t>(code)];
  return make_response(
      row.status, "application/json",
      "{\"code\":" + std::to_string(static_cast<int>(code)) + ",\"message\":" + json_string(row.message) + "}");
}

HttpResponse Server::payload_response(std::string payload, bool takes_gzip) {
  HttpResponse response = make_response(200, "text/plain; charset=UTF-8", std::move(payload));
  if (options_.http_compression_bytes_min)
    encode_content(response, takes_gzip, *options_.http_compression_bytes_min, gzip_);
  return response;
}

std::optional<std::uint32_t> Server::find_session(const HttpRequest& request) const {
  const auto text = sid_of(request);
  if (!text) return std::nullopt;
  const auto sid = Sid::parse(*text);
  if (!sid) return std::nullopt;
  const auto slot = by_sid_.find(sid->hash());
  if (!slot || sessions_[*slot].sid != *sid) return std::nullopt;
  return slot;
}

std::optional<SessionId> Server::session_of(const HttpRequest& request) const {
  const auto slot = find_session(request);
  return slot ? std::optional(id_of(*slot)) : std::nullopt;
}

std::optional<Server::ErrorCode> Server::check(const HttpRequest& request) const {
  const auto transport = request.query_parameter("transport");
  if (!(options_.polling && transport == kPolling) && !(options_.websocket && transport == kWebsocket))
    return ErrorCode::transport_unknown;
  const auto version = request.query_parameter("EIO");
  if (!sid_of(request)) {
    if (request.method != "GET") return ErrorCode::bad_handshake_method;
    if (transport == kWebsocket) return ErrorCode::bad_request;
    if (version != kProtocolVersion) return ErrorCode::unsupported_version;
    return std::nullopt;
  }
  const auto slot = find_session(request);
  if (!slot) return ErrorCode::session_unknown;
  const bool closing = sessions_[*slot].phase == SessionPhase::closing;
  if (closing && request.method != "GET") return ErrorCode::session_unknown;
  if (version && version != kProtocolVersion) return ErrorCode::bad_request;
  if (transport != kPolling || !sessions_[*slot].polling) return ErrorCode::bad_request;
  if (request.method != "GET" && request.method != "POST") return ErrorCode::bad_request;
  return std::nullopt;
}

std::optional<Server::ErrorCode> Server::check_for_upgrade(const HttpRequest& request) const {
  // Dart's client says `transport=polling` by default, even where it opens a WebSocket.
  const auto transport = request.query_parameter("transport");
  if (!options_.websocket || (transport != kWebsocket && transport != kPolling)) return ErrorCode::transport_unknown;
  const auto version = request.query_parameter("EIO");
  if (!sid_of(request)) {
    if (version != kProtocolVersion) return ErrorCode::unsupported_version;
  } else {
    const auto slot = find_session(request);
    if (!slot || sessions_[*slot].phase != SessionPhase::open) return ErrorCode::session_unknown;
    if (version && version != kProtocolVersion) return ErrorCode::bad_request;
  }
  if (websocket::check_upgrade(request)) return ErrorCode::bad_request;
  if (options_.websocket_compression_bytes_min && !websocket::choose_deflate(request.fields))
    return ErrorCode::bad_request;
  return std::nullopt;
}

bool Server::on_request_started(ConnectionId connection, const HttpRequest& head, Now now, IoEffects& io) {
  if (head.method != "POST") return true;
  if (const auto error = check(head)) {
    io.emplace_back(Respond{connection, error_response(*error)});
    return false;
  }
  const std::string_view length = head.fields.value_or("Content-Length", "0");
  if (length.size() > 10 || std::strtoull(std::string(length).c_str(), nullptr, 10) > options_.message_bytes_max) {
    count(options_.limit_counters, Limit::request_body);
    io.emplace_back(Respond{connection, too_large_response()});
    return false;
  }
  return claim_post(connection, *find_session(head), now, io);
}

void Server::on_request_abandoned(ConnectionId connection) {
  const auto slot = by_connection_.find(connection);
  if (!slot) return;
  Session& session = sessions_[*slot];
  if (!session.polling || session.polling->post != connection) return;
  session.polling->post = kNoConnection;
  by_connection_.erase(connection);
}

void Server::on_request(ConnectionId connection, const HttpRequest& request, Now now, IoEffects& io) {
  if (const auto error = check(request)) {
    on_request_abandoned(connection);
    io.emplace_back(Respond{connection, error_response(*error)});
    return;
  }
  const auto slot = find_session(request);
  if (!slot) {
    handshake(connection, request, now, io);
  } else if (request.method == "GET") {
    on_poll(connection, *slot, request, now, io);
  } else {
    on_post(connection, *slot, request, now, io);
  }
}

void Server::handshake(ConnectionId connection, const HttpRequest& request, Now now, IoEffects& io) {
  auto place = admit(connection, request, now, io);
  if (!place) return;
  const std::uint32_t slot = open(request, *std::move(place), now);
  sessions_[slot].polling = std::make_unique<PollingState>();
  io.emplace_back(Respond{connection, payload_response(open_packet(slot), takes_gzip(request))});
}

void Server::on_poll(ConnectionId connection, std::uint32_t slot, const HttpRequest& request, Now now, IoEffects& io) {
  PollingState& polling = *sessions_[slot].polling;
  if (polling.poll != kNoConnection) {
    io.emplace_back(Respond{connection, error_response(ErrorCode::bad_request)});
    if (sessions_[slot].phase == SessionPhase::open)
      close_session(slot, {.reason = CloseReason::transport_error, .close_frame = empty_close_}, now);
    return;
  }
  polling.poll = connection;
  polling.poll_takes_gzip = takes_gzip(request);
  by_connection_.put(connection, slot);
  mark_dirty(slot);
}

bool Server::claim_post(ConnectionId connection, std::uint32_t slot, Now now, IoEffects& io) {
  PollingState& polling = *sessions_[slot].polling;
  if (polling.post != kNoConnection && polling.post != connection) {
    io.emplace_back(Respond{connection, error_response(ErrorCode::bad_request)});
    close_session(slot, {.reason = CloseReason::transport_error, .close_frame = empty_close_}, now);
    return false;
  }
  polling.post = connection;
  by_connection_.put(connection, slot);
  return true;
}

void Server::on_post(ConnectionId connection, std::uint32_t slot, const HttpRequest& request, Now now, IoEffects& io) {
  if (!claim_post(connection, slot, now, io)) return;
  on_request_abandoned(connection);  // it is here whole: nothing can overlap it any more
  if (request.body.size() > options_.message_bytes_max) {
    count(options_.limit_counters, Limit::request_body);
    io.emplace_back(Respond{connection, too_large_response()});
  } else if (equals_ignoring_case(media_type(request), "application/octet-stream")) {
    // Binary bodies were protocol 3.
    io.emplace_back(Respond{connection, error_response(ErrorCode::bad_request)});
    close_session(slot, {.reason = CloseReason::transport_error, .close_frame = empty_close_}, now);
  } else {
    input_ = PostInput{connection, id_of(slot), PayloadReader(request.body)};
  }
}

std::optional<Event> Server::next_of_post(Now now, IoEffects& io) {
  PostInput& post = std::get<PostInput>(input_);
  const std::uint32_t slot = post.session.slot;
  if (is_open(post.session)) {
    if (const auto step = post.reader.next()) {
      if (const auto* packet = std::get_if<Packet>(&*step)) return on_packet(slot, *packet, now);
      close_session(slot, {.reason = CloseReason::parse_error, .close_frame = empty_close_}, now);
      io.emplace_back(Respond{post.connection, error_response(ErrorCode::bad_request)});
      input_ = NoInput{};
      return std::nullopt;
    }
  }
  io.emplace_back(Respond{post.connection, make_response(200, "text/html", "ok")});
  input_ = NoInput{};
  return std::nullopt;
}

void Server::answer_poll(std::uint32_t slot, Now now, IoEffects& io) {
  Session& session = sessions_[slot];
  PollingState& polling = *session.polling;
  if (polling.poll == kNoConnection) return;
  const bool closing = session.phase == SessionPhase::closing;
  std::string payload;
  pool_.take_payload(session.outbox, payload, kPacketsPerAnswerMax, options_.message_bytes_max);
  // Not along with data: JavaScript's client hands events on a tick later, and by then would have dropped them.
  const bool last = closing && payload.empty();
  if (last) {
    payload.push_back(polling.last_packet);
  } else if (payload.empty() && polling.probe_answered) {
    payload.push_back('6');
  }
  if (payload.empty()) return;
  const ConnectionId connection = std::exchange(polling.poll, kNoConnection);
  by_connection_.erase(connection);
  io.emplace_back(Respond{connection, payload_response(std::move(payload), polling.poll_takes_gzip)});
  if (last) {
    end_polling(slot, now);
  } else if (closing) {
    heartbeats_.set(slot, now.instant + options_.close_grace);
  } else if (session.outbox.empty()) {
    tell_drained(slot);
  }
}

}  // namespace famemely::engineio
