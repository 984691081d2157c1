// The bytes are the messages of one client, a byte of kind and length before each; they go through a whole server, once
// as they are and once cut into pieces: it must make the same of both, and be left without a session at the end.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/engineio/test_bench.hpp"
#include "protocol/socketio/server.hpp"

namespace {

using namespace famemely;
using namespace famemely::socketio;

std::vector<std::string> serve(const std::string& bytes, std::size_t piece) {
  engineio::SeededRandom random;
  Options options;
  options.message_bytes_max = 2000;
  Server server(options, random);
  Effects effects;
  const Now now{Instant(std::chrono::hours(1)), {}};
  std::vector<std::string> diary;
  const auto turn = [&] {
    for (const ApplicationEffect& effect : effects.for_application) {
      if (const auto* connect = std::get_if<ConnectRequested>(&effect)) {
        diary.push_back("connect" + connect->auth_json);
        server.accept(connect->socket, now, effects);
      } else if (const auto* event = std::get_if<EventReceived>(&effect)) {
        std::string line = event->name;
        for (const std::string& argument : event->args) {
          const auto json = JsonView::parse(argument);
          if (!json) std::abort();
          line += argument + std::string(event->attachment(*json).value_or(""));
        }
        diary.push_back(line);
      } else if (const auto* gone = std::get_if<SocketDisconnected>(&effect)) {
        diary.emplace_back(to_string(gone->reason));
      }
    }
    effects.for_application.clear();
    server.end_of_turn(now, effects);
    effects.clear();
    std::array<engineio::Piece, 8> pieces;
    while (server.gather(1, pieces) > 0) server.wrote(1, pieces[0].size(), now, effects);
  };
  server.on_upgrade(1, engineio::make_upgrade("EIO=4&transport=websocket", "/socket.io/"), now, effects);
  turn();
  std::string fed = bytes;
  for (std::size_t at = 0; at < fed.size(); at += piece) {
    server.on_websocket_bytes(1, std::span(fed).subspan(at, std::min(piece, fed.size() - at)), now, effects);
    turn();
  }
  server.on_disconnected(1, now, effects);
  turn();
  if (server.connection_count() != 0 || !server.sockets().empty()) std::abort();
  return diary;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t piece = 1 + data[0] % 50;
  std::string bytes = engineio::masked_text("40");
  for (std::size_t at = 1; at < size;) {
    const std::uint8_t head = data[at++];
    const std::size_t length = std::min<std::size_t>(head & 0x7F, size - at);
    const std::string_view content(reinterpret_cast<const char*>(data + at), length);
    bytes += (head & 0x80) != 0 ? engineio::masked_binary(content) : engineio::masked_text("4" + std::string(content));
    at += length;
  }
  if (serve(bytes, bytes.size()) != serve(bytes, piece)) std::abort();
  return 0;
}
