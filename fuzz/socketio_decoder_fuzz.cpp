// The bytes are the messages of one client, a byte of kind and length before each; they go through a whole server, once
// as they are and once cut into pieces: it must make the same of both, tell of no more bytes than it was fed, and be
// left without a session at the end. What is decoded and encoded again is decoded the same.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/engineio/test_bench.hpp"
#include "protocol/socketio/decoder.hpp"
#include "protocol/socketio/encoder.hpp"
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
  std::size_t told_bytes = 0;
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
          told_bytes += argument.size();
        }
        for (const std::string& attachment : event->attachments) told_bytes += attachment.size();
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
  if (told_bytes > bytes.size()) std::abort();
  if (server.connection_count() != 0 || !server.sockets().empty()) std::abort();
  return diary;
}

/// An event or acknowledgement that is written again as the server writes its own.
void check_round_trip(std::string_view text) {
  const auto packet = decode_packet(text);
  if (!packet || packet->json.empty() || packet->nsp.find(',') != std::string_view::npos) return;
  const bool event = packet->type == PacketType::event || packet->type == PacketType::binary_event;
  if (!event && packet->type != PacketType::ack && packet->type != PacketType::binary_ack) return;
  if (!event && !packet->ack_id) return;
  if (event && packet->ack_id && *packet->ack_id > 0x7FFFFFFF) return;  // ours stay below
  const auto json = JsonView::parse(packet->json);
  if (!json) std::abort();
  const std::vector<JsonView> elements = json->elements();
  std::string args;
  for (std::size_t i = event ? 1 : 0; i < elements.size(); ++i) {
    if (!args.empty()) args.push_back(',');
    args += elements[i].raw();
  }
  const std::vector<std::string_view> attachments(packet->attachments, "\x01\xFF");
  std::optional<std::uint32_t> ack_id;
  if (packet->ack_id) ack_id = static_cast<std::uint32_t>(*packet->ack_id);
  const std::string name = event ? elements.front().as_string().value_or(std::string(elements.front().raw())) : "";
  const Frame frame = event ? make_event_frame(packet->nsp, name, args, attachments, ack_id)
                            : make_ack_frame(packet->nsp, *packet->ack_id, args, attachments);

  Decoder decoder;
  DecodeResult result = Incomplete{};
  std::string_view rest = frame.websocket_bytes();
  while (!rest.empty()) {
    const websocket::OwnFrame own = websocket::first_own_frame(rest);
    if (!std::holds_alternative<Incomplete>(result)) std::abort();
    result = own.opcode == websocket::Opcode::text ? decoder.on_text(own.payload.substr(1))
                                                   : decoder.on_binary(own.payload, 100'000);
    rest.remove_prefix(own.frame_bytes);
  }
  const auto* again = std::get_if<DecodedPacket>(&result);
  if (!again || again->packet.type != packet->type || again->packet.nsp != packet->nsp ||
      again->packet.ack_id != packet->ack_id || again->attachments.size() != attachments.size())
    std::abort();
  const auto json_again = JsonView::parse(again->packet.json);
  if (!json_again) std::abort();
  const std::vector<JsonView> elements_again = json_again->elements();
  if (elements_again.size() != elements.size()) std::abort();
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const bool same =
        event && i == 0 ? elements_again[0].as_string() == name : elements_again[i].raw() == elements[i].raw();
    if (!same) std::abort();
  }
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
    if ((head & 0x80) == 0) check_round_trip(content);
  }
  if (serve(bytes, bytes.size()) != serve(bytes, piece)) std::abort();
  return 0;
}
