#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "protocol/engineio/admission.hpp"
#include "protocol/engineio/effects.hpp"
#include "serving/http_reader.hpp"
#include "serving/tls_pipe.hpp"

namespace famemely::serving {

/// A connection on its way to another worker, which owns the session that its request names.
struct MovedConnection {
  int descriptor;
  std::string remote_address;
  std::string bytes;  // what has been read of the request
  engineio::Admission::Place place;
  std::unique_ptr<TlsPipe> tls;
};

/// What a connection needs while it speaks HTTP; gone once it is a WebSocket.
struct HttpState {
  /// A client that sends more than this while it waits for an answer is not read on until it has it.
  static constexpr std::size_t kReadAheadMax = 65'536;

  explicit HttpState(const HttpLimits& limits) : reader(limits) {}

  [[nodiscard]] RequestSite site() const { return {origin, host, secure}; }
  [[nodiscard]] bool unsent() const { return out_at < out.size(); }

  HttpReader reader;
  std::string remote_address;
  std::string client_address;  // of the request, as a trusted proxy tells it; else the remote one
  std::string out;             // response bytes on their way
  std::size_t out_at = 0;
  Instant deadline = kNever;
  // Of the request that is being answered:
  std::string origin;
  std::string host;
  bool secure = false;
  bool inside_request = false;
  bool head_known = false;
  bool rate_counted = false;  // by the worker that read the head first
  bool awaiting_answer = false;
  bool for_socketio = false;  // the head named the Socket.IO path
  bool head_only = false;
  bool keep_alive = true;
  bool left_alone = false;  // not read on while the client does not take its answers
  bool answered = false;    // at least once
  /// After the response in `out`: shut down, read on until the peer has closed too, so that it can read the response.
  bool closing = false;
};

/// One accepted TCP connection. Kept small: an idle WebSocket is this, its descriptor, and the session's own state.
struct Connection {
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  Connection(Socket accepted, engineio::ConnectionId connection_id) : socket(std::move(accepted)), id(connection_id) {}

  Socket socket;
  engineio::ConnectionId id;
  std::unique_ptr<HttpState> http;
  bool websocket = false;
  bool write_blocked = false;    // waiting until the socket takes bytes again
  std::unique_ptr<TlsPipe> tls;  // none where we serve plain HTTP
  engineio::Admission::Place place;
};

/// Connections by id: place in the low half, generation in the high one, so that a late handler finds nothing.
class ConnectionTable {
 public:
  Connection& add(Connection::Socket socket);
  [[nodiscard]] Connection* find(engineio::ConnectionId id);
  void erase(engineio::ConnectionId id);
  [[nodiscard]] std::size_t size() const { return used_; }
  /// Calls `visit(connection)` for all that speak HTTP. `visit` may erase the connection it is given.
  template <typename Visit>
  void for_each_http(Visit&& visit) {
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].connection && slots_[i].connection->http) visit(*slots_[i].connection);
  }

 private:
  struct Slot {
    std::unique_ptr<Connection> connection;
    std::uint32_t generation = 1;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace famemely::serving
