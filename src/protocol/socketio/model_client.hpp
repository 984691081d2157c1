#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.hpp"
#include "base/instant.hpp"
#include "protocol/engineio/effects.hpp"
#include "protocol/engineio/frame.hpp"
#include "protocol/engineio/payload.hpp"
#include "protocol/engineio/test_bench.hpp"
#include "protocol/socketio/effects.hpp"
#include "protocol/socketio/encoder.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::socketio {

/// The server did what the model does not allow.
struct ModelBroken : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void require(bool holds, const std::string& what) {
  if (!holds) throw ModelBroken(what);
}

/// Bytes taken as decisions, whether chance has made them or a fuzzer. Once they are used up, every decision is the
/// first.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool used_up() const { return rest_.empty(); }
  std::size_t pick(std::size_t count) {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte % count;
  }
  std::string_view take(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

/// One packet that a client sends, and what the protocol makes of it.
struct Sent {
  enum class Kind : std::uint8_t {
    connect,
    unknown_namespace,
    event,
    header,  // of a binary event: `number` attachments are to follow
    attachment,
    acknowledgement,
    disconnect,
    // no messages:
    pong,
    harmless,
    close,
    ping,
    garbage,    // no Engine.IO packet
    malformed,  // no Socket.IO packet
    // WebSocket frames that are no packets:
    control,
    goodbye,
    broken,
  };
  Kind kind;
  std::string text;  // with its type digit; an attachment is the bytes themselves
  std::string nsp = "/";
  std::size_t number = 0;  // of an acknowledgement: its id; of a header: how many attachments are due
  std::string news = {};   // of an event: what the application is told
};

/// What is known of a client joined to a namespace, or asking to be.
struct ModelSocket {
  std::size_t client;
  std::string nsp;
  bool joined = false;
  std::string sid{};
  std::optional<std::size_t> drained_due{};  // how many packets must have arrived by then
};

/// A WebSocket as its client sees it.
struct Wire {
  explicit Wire(std::size_t of_client) : client(of_client) {}

  struct Unsent {
    Sent sent;
    std::size_t bytes;  // of the frames, those that are still to be fed
  };

  std::size_t client;
  websocket::Decoder decoder{websocket::Role::client, 1'000'000};
  std::string unsent_bytes;
  std::deque<Unsent> unsent;
  std::size_t pings = 0;  // and how many of them are not answered
  std::size_t probes = 0;
  bool slow = false;             // takes a little at a time
  bool writer_waits = false;     // there is more to gather, and nobody will say so again
  bool asked_to_switch = false;  // has sent `5`
  bool told_close = false;
  bool goodbye_due = false;
};

/// A client and what it is owed, by the protocol.
struct ModelClient {
  enum class Transport : std::uint8_t { polling, websocket };

  std::size_t number = 0;
  std::string sid;
  bool alive = false;
  /// It has sent bytes that the model does not read: what they do to its own session is not foreseen.
  bool wild = false;
  bool attentive = true;
  Transport transport = Transport::polling;
  std::optional<ConnectionId> poll;
  std::optional<ConnectionId> post;  // begun
  std::optional<ConnectionId> probe;
  std::optional<ConnectionId> main;
  bool probe_answered = false;
  Instant probe_deadline{};

  // Heartbeat.
  Instant ping_at{};
  Instant pong_by{};
  bool ping_outstanding = false;
  bool extended = false;
  std::size_t pings_due = 0;  // on their way to it
  bool pong_due = false;
  Instant join_by{};  // unless it is in a namespace
  std::set<std::string> joined;
  std::size_t refusals = 0;  // in a row

  /// Packets on their way to it: messages, all namespaces together.
  struct Owed {
    bool binary;
    std::string data;
    std::size_t bytes;
  };
  std::deque<Owed> owed;
  std::size_t owed_bytes = 0;
  std::size_t arrived = 0;
  std::size_t promised = 0;

  /// The namespaces that the server has it in, asked for or joined.
  std::set<std::string> present;
  std::map<std::string, std::set<std::size_t>> acks_due;
  std::size_t attachments_due = 0;
  std::size_t attachment_bytes = 0;
  std::string header_nsp;
  std::string header_news;
  /// What the application is to be told next because of it, in this order.
  std::deque<std::string> news;

  /// How the session may end in the call under way; it must if `must_end`.
  std::set<DisconnectReason> may_end;
  bool must_end = false;
  /// Ended from this side, with the promise that what is queued is sent.
  bool flushed = false;
  bool told_last_packet = false;

  void promise(const Frame& frame) {
    std::string_view bytes = frame.websocket_bytes();
    while (!bytes.empty()) {
      const websocket::OwnFrame own = websocket::first_own_frame(bytes);
      owed.push_back({own.opcode == websocket::Opcode::binary, std::string(own.payload), own.frame_bytes});
      owed_bytes += own.frame_bytes;
      ++promised;
      bytes.remove_prefix(own.frame_bytes);
    }
  }

  void leave(const std::string& nsp, Instant now, Duration connect_timeout) {
    present.erase(nsp);
    acks_due.erase(nsp);
    if (joined.erase(nsp) == 0)
      ++refusals;
    else if (joined.empty())
      join_by = now + connect_timeout;
  }

  void end(DisconnectReason reason) {
    if (must_end) return;
    may_end = {reason};
    must_end = true;
  }

  /// A message (or what else comes this way) has reached the client: it must be the next that it is owed.
  void receive(bool binary, std::string_view data) {
    if (wild && data.starts_with("44/unknown") && (owed.empty() || owed.front().data != data)) return;
    if (!binary && data == "2") {
      require(pings_due > 0 || wild, "a ping that is not due");
      if (pings_due > 0) --pings_due;
      pong_due = true;
      return;
    }
    require(!owed.empty(), "client " + std::to_string(number) + " is owed nothing, but got " + std::string(data));
    require(owed.front().binary == binary && owed.front().data == data,
            "client " + std::to_string(number) + " is owed " + owed.front().data + " but got " + std::string(data));
    owed_bytes -= owed.front().bytes;
    owed.pop_front();
    ++arrived;
  }

  void receive_payload(std::string_view payload, std::size_t bytes_max) {
    std::size_t packets = 0;
    for (std::string_view rest = payload;;) {
      const std::size_t end = rest.find(engineio::kSeparator);
      const std::string_view packet = rest.substr(0, end);
      ++packets;
      require(!packet.empty(), "an empty packet in an answer");
      if (packet == "6" || packet == "1") {
        require(payload.size() == 1, "a noop or a close along with data");
        const bool ends = must_end || !alive || wild;
        require(ends || (packet == "6" && (probe_answered || transport == Transport::websocket)),
                "a noop or a close without an occasion");
        if (packet == "1") told_last_packet = true;
        if (packet == "1" && flushed) require(owed.empty(), "told to go before what was queued had come");
      } else if (packet.front() == 'b') {
        const auto bytes = base64_decode(packet.substr(1));
        require(bytes.has_value(), "bad base64 in an answer");
        receive(true, *bytes);
      } else {
        receive(false, packet);
      }
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
    require(packets <= engineio::kPacketsPerAnswerMax, "more than 16 packets in one answer");
    require(packets == 1 || payload.size() <= bytes_max, "an answer over maxPayload");
  }

  /// What the protocol makes of one more packet from it. False once its session has ended.
  bool foresee(const Sent& sent, Now now, const Options& limits) {
    using Kind = Sent::Kind;
    if (must_end || !alive) return false;
    const bool packet = sent.kind < Kind::garbage || sent.kind == Kind::malformed;
    if (packet && ping_outstanding) {
      if (sent.kind == Kind::pong) {
        ping_outstanding = false;
        ping_at = now.instant + limits.ping_interval;
      } else if (!extended) {
        extended = true;
        pong_by = now.instant + limits.ping_timeout;
      }
    }
    const bool text_message = sent.kind < Kind::pong && sent.kind != Kind::attachment;
    if (text_message && attachments_due > 0) {
      end(DisconnectReason::forced_close);
      return false;
    }
    const bool is_in = present.contains(sent.nsp);
    switch (sent.kind) {
      case Kind::pong:
      case Kind::harmless:
        break;
      case Kind::garbage:
        end(DisconnectReason::parse_error);
        break;
      case Kind::close:
        end(DisconnectReason::transport_close);
        break;
      case Kind::ping:
        end(DisconnectReason::transport_error);
        break;
      case Kind::control:
        break;
      case Kind::goodbye:
        end(DisconnectReason::transport_close);
        break;
      case Kind::broken:
        end(DisconnectReason::transport_error);
        break;
      case Kind::malformed:
        end(DisconnectReason::forced_close);
        break;
      case Kind::header:
        attachments_due = sent.number;
        attachment_bytes = sent.text.size() - 1;
        header_nsp = sent.nsp;
        header_news = sent.news;
        break;
      case Kind::attachment:
        if (attachments_due == 0) {
          end(DisconnectReason::forced_close);
          break;
        }
        attachment_bytes += sent.text.size();
        if (attachment_bytes > limits.message_bytes_max) {
          end(DisconnectReason::forced_close);
          break;
        }
        header_news += "|" + sent.text;
        if (--attachments_due > 0) break;
        if (present.contains(header_nsp)) {
          news.push_back(header_news);
        } else {
          end(DisconnectReason::forced_close);
        }
        break;
      case Kind::connect:
      case Kind::unknown_namespace:
        if (is_in) {
          end(DisconnectReason::forced_close);
          break;
        }
        if (owed_bytes + 400 > limits.client_queue_bytes_max) {
          // Whether there is still room is a matter of bytes that the model does not count.
          may_end.insert(DisconnectReason::slow_consumer);
          wild = true;
        }
        if (refusals >= limits.refusals_max) {
          if (!wild)
            promise(make_connect_error_frame(sent.nsp, "Too many refused attempts: a connection may have 3 in a row",
                                             R"({"statusCode":429})"));
          end(DisconnectReason::forced_close);
          break;
        }
        if (sent.kind == Kind::unknown_namespace) {
          if (!wild) promise(make_connect_error_frame(sent.nsp, "Invalid namespace"));
        } else {
          present.insert(sent.nsp);
          news.push_back("connect " + sent.nsp);
        }
        break;
      case Kind::event:
      case Kind::acknowledgement:
      case Kind::disconnect:
        if (!is_in) {
          end(DisconnectReason::forced_close);
          break;
        }
        if (sent.kind == Kind::event) news.push_back(sent.news);
        if (sent.kind == Kind::acknowledgement && acks_due[sent.nsp].erase(sent.number) > 0)
          news.push_back("ack " + sent.nsp + " " + std::to_string(sent.number));
        if (sent.kind == Kind::disconnect) {
          leave(sent.nsp, now.instant, limits.connect_timeout);
          news.push_back("gone " + sent.nsp);
        }
        break;
    }
    return !must_end;
  }
};

}  // namespace famemely::socketio
