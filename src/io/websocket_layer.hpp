#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/http_message.hpp"
#include "base/random_source.hpp"
#include "base/result.hpp"
#include "protocol/websocket/client_handshake.hpp"
#include "protocol/websocket/client_stream.hpp"

namespace famemely::io {

/// The client's end of one WebSocket, from the upgrade on, without the socket (Beast parses the answer to it).
class WebSocketLayer {
 public:
  static constexpr std::size_t kAnswerBytesMax = 16'384;

  /// `authority`: the host, and the port if it is not the scheme's own. `fields` go along with the request.
  WebSocketLayer(std::string authority, std::string target, const HttpFields& fields, RandomSource& random);

  /// Appends the request.
  void begin(std::string& wire) const;
  /// Appends what the frames carry to `data`; the bytes may be changed. The fault says why the WebSocket did not come
  /// about, or why it ends.
  Result<void, std::string> on_received(std::span<char> bytes, std::string& data);
  void send(std::string_view data, std::string& wire) { stream_.send(data, wire); }
  /// Appends what has to be answered to what was received.
  void take_answers(std::string& wire) { stream_.take_answers(wire); }
  /// Appends a close frame.
  void close(std::string& wire) {
    if (upgraded_) stream_.close(wire);
  }

  [[nodiscard]] bool upgraded() const { return upgraded_; }

 private:
  Result<void, std::string> on_answer(std::string_view bytes);

  websocket::UpgradeRequest request_;
  boost::beast::http::response_parser<boost::beast::http::empty_body> parser_;
  std::string inbox_;  // until the answer is complete
  bool upgraded_ = false;
  websocket::ClientStream stream_;
};

}  // namespace famemely::io
