#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/instant.hpp"
#include "protocol/socketio/effects.hpp"
#include "socketio/sent_log.hpp"

namespace famemely::socketio {

/// What a client can get back. While its connection is there, the socket has the rest.
struct Session {
  Sid pid;
  Sid sid;
  std::string nsp;
  SocketId socket{};     // while it has one
  bool is_kept = false;  // it has none
  // Of one that is kept:
  std::any data{};
  Instant until{};
  std::size_t bytes = 0;
};

/// The sessions of one node, by a number that stands for them in its log and its rooms.
class Sessions {
 public:
  using Number = SentLog::Session;

  /// Higher numbers than those of sockets: the members of rooms that have no connection.
  static constexpr Number kFirst = 0x80000000;

  Number add(Session session);
  [[nodiscard]] Session* find(Number number);
  [[nodiscard]] std::optional<Number> by_pid(const Sid& pid) const;
  void remove(Number number);

  /// It has lost its socket, or got one.
  void keep(Number number, Instant until, std::size_t bytes);
  void unkeep(Number number);
  [[nodiscard]] std::size_t kept_bytes() const { return kept_bytes_; }
  /// Of those kept, the one that ends first.
  [[nodiscard]] std::optional<Number> first_to_end() const;
  [[nodiscard]] Instant first_end() const { return by_end_.empty() ? kNever : by_end_.begin()->first; }

  [[nodiscard]] std::vector<Number> numbers() const;

 private:
  struct SidHash {
    std::size_t operator()(const Sid& sid) const { return sid.hash(); }
  };

  std::unordered_map<Number, Session> sessions_;
  std::unordered_map<Sid, Number, SidHash> by_pid_;
  std::multimap<Instant, Number> by_end_;
  std::size_t kept_bytes_ = 0;
  Number last_ = kFirst;
};

}  // namespace famemely::socketio
