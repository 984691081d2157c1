#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "base/random_source.hpp"
#include "protocol/engineio/effects.hpp"
#include "protocol/websocket/decoder.hpp"
#include "protocol/websocket/encoder.hpp"

namespace famemely::engineio {

class SeededRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(generator_());
  }

 private:
  std::mt19937 generator_{42};
};

inline HttpRequest make_request(std::string method, std::string query, std::string body = "",
                                std::string path = "/engine.io/") {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(path) + "?" + std::move(query);
  request.body = std::move(body);
  request.remote_address = "192.0.2.1";
  return request;
}

inline HttpRequest make_upgrade(std::string query, std::string path = "/engine.io/") {
  HttpRequest request = make_request("GET", std::move(query), "", std::move(path));
  request.fields.add("Connection", "Upgrade");
  request.fields.add("Upgrade", "websocket");
  request.fields.add("Sec-WebSocket-Version", "13");
  request.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  return request;
}

/// What the network sees: the answers, and what each WebSocket has received, a line a message.
struct Network {
  std::map<ConnectionId, std::vector<HttpResponse>> responses;
  std::map<ConnectionId, std::vector<std::string>> received;
  std::map<ConnectionId, std::string> wire;  // the bytes of it
  std::vector<ConnectionId> accepted;
  std::map<ConnectionId, HttpResponse> upgrades;
  std::vector<ConnectionId> closed;
  /// Bytes that one write takes.
  std::size_t write_bytes_max = 1'000'000;
  /// These do not read.
  std::vector<ConnectionId> stuck;

  /// Does what the effects say. `machine` has `gather` and `wrote(connection, bytes)`.
  template <typename Machine>
  void apply(const IoEffects& effects, Machine& machine) {
    for (const IoEffect& effect : effects) {
      if (const auto* respond = std::get_if<Respond>(&effect)) {
        responses[respond->connection].push_back(respond->response);
      } else if (const auto* accept = std::get_if<AcceptUpgrade>(&effect)) {
        accepted.push_back(accept->connection);
        upgrades[accept->connection] = accept->response;
      } else if (const auto* ready = std::get_if<WriteReady>(&effect)) {
        write(ready->connection, machine);
      } else {
        closed.push_back(std::get<CloseConnection>(effect).connection);
      }
    }
  }

  template <typename Machine>
  void write(ConnectionId connection, Machine& machine) {
    if (std::ranges::find(stuck, connection) != stuck.end()) return;
    std::string bytes;
    while (true) {
      std::array<Piece, 4> pieces;
      const std::size_t count = machine.gather(connection, pieces);
      std::string gathered;
      for (std::size_t i = 0; i < count; ++i) gathered += pieces[i];
      gathered.resize(std::min(gathered.size(), write_bytes_max));
      bytes += gathered;
      if (gathered.empty() || !machine.wrote(connection, gathered.size())) break;
    }
    wire[connection] += bytes;
    Inflater inflater;
    websocket::Decoder decoder(websocket::Role::client, 100'000'000);
    decoder.feed(bytes);
    std::vector<std::string>& lines = received[connection];
    while (const auto event = decoder.next(&inflater)) {
      if (const auto* message = std::get_if<websocket::Message>(&*event))
        lines.push_back((message->opcode == websocket::Opcode::text ? "" : "binary:") + std::string(message->data));
      else if (const auto* close = std::get_if<websocket::Close>(&*event))
        lines.push_back("close:" + std::to_string(close->code) + std::string(close->reason));
      else if (const auto* pong = std::get_if<websocket::Pong>(&*event))
        lines.push_back("pong:" + std::string(pong->data));
      else
        lines.emplace_back("?");
    }
  }

  [[nodiscard]] std::string last_body(ConnectionId connection) {
    return responses[connection].empty() ? "(none)" : responses[connection].back().body;
  }
  [[nodiscard]] int last_status(ConnectionId connection) {
    return responses[connection].empty() ? 0 : responses[connection].back().status;
  }
  [[nodiscard]] bool is_closed(ConnectionId connection) const {
    return std::ranges::find(closed, connection) != closed.end();
  }
};

inline constexpr websocket::MaskingKey kTestKey{1, 2, 3, 4};

inline std::string masked_text(std::string_view text) {
  std::string bytes;
  websocket::append_message(bytes, websocket::Opcode::text, text, kTestKey);
  return bytes;
}
inline std::string masked_binary(std::string_view data) {
  std::string bytes;
  websocket::append_message(bytes, websocket::Opcode::binary, data, kTestKey);
  return bytes;
}

inline std::string sid_in(const std::string& open_packet) {
  const std::size_t at = open_packet.find("\"sid\":\"");
  return at == std::string::npos ? "" : open_packet.substr(at + 7, 20);
}

}  // namespace famemely::engineio
