// A server of the library's features, driven by library.test.mjs.   socketio_library_server PORT WORKERS
// [RECOVERY_WINDOW in ms]
#include <algorithm>
#include <any>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "serving/socketio_server.hpp"

namespace {

using namespace famemely;
using socketio::Arguments;
using socketio::BroadcastAnswers;
using socketio::Next;
using socketio::RemoteSocket;
using socketio::Reply;
using socketio::Socket;
using std::chrono::milliseconds;

void on_connection(Socket& socket) {
  if (const auto name = socket.auth("name"); name && !socket.recovered()) socket.data() = *name;
  socket.on("worker", [&socket](const Arguments&, const Reply& reply) { reply(socket.nsp().node().id()); });
  socket.on("join", [&socket](const Arguments& args, const Reply& reply) {
    socket.join(args.get<std::string>(0).value_or(""));
    reply(socket.rooms().size());
  });
  socket.on("leave", [&socket](const Arguments& args, const Reply& reply) {
    socket.leave(args.get<std::string>(0).value_or(""));
    reply(socket.rooms().size());
  });
  // to-room, except-room, event, value
  socket.on("broadcast", [&socket](const Arguments& args, const Reply& reply) {
    auto emitter = socket.nsp().all();
    if (const auto room = args.get<std::string>(0)) emitter = emitter.to(*room);
    if (const auto room = args.get<std::string>(1)) emitter = emitter.except(*room);
    emitter.emit(args.get<std::string>(2).value_or(""), socketio::Json{std::string(args.raw(3))});
    reply("done");
  });
  socket.on("who-am-i", [&socket](const Arguments&, const Reply& reply) {
    std::vector<std::string> rooms = socket.rooms();
    std::ranges::sort(rooms);
    reply(socket.recovered(), std::any_cast<std::string>(socket.data()), rooms);
  });
  socket.on("to-others", [&socket](const Arguments& args) { socket.broadcast().emit_values("other", args.pass_on()); });
  socket.on("ask-room", [&socket](const Arguments& args, const Reply& reply) {
    socket.nsp()
        .to(args.get<std::string>(0).value_or(""))
        .timeout(milliseconds(args.get<int>(1).value_or(1000)))
        .emit_with_ack("question", socketio::values(42), [reply](const BroadcastAnswers& answers) {
          std::vector<std::string> texts;
          for (const auto& answer : answers.answers) texts.push_back(answer.args.get<std::string>(0).value_or("?"));
          reply(texts, answers.missing, answers.complete());
        });
  });
  socket.on("ask-me", [&socket](const Arguments& args, const Reply& reply) {
    socket.emit_with_ack(
        "question", socketio::values(1),
        [reply](const Result<Arguments, socketio::AckError>& answer) {
          if (answer)
            reply.send(answer->pass_on());
          else
            reply(answer.error() == socketio::AckError::timed_out ? "timed out" : "gone");
        },
        milliseconds(args.get<int>(0).value_or(1000)));
  });
  socket.on("fetch", [&socket](const Arguments&, const Reply& reply) {
    socket.nsp().fetch_sockets([reply](const std::vector<RemoteSocket>& sockets) {
      std::vector<std::string> names;
      for (const RemoteSocket& other : sockets) {
        const auto* name = std::any_cast<std::string>(&other.data);
        names.push_back((name ? *name : "") + " " + std::to_string(other.rooms.size()));
      }
      reply(names);
    });
  });
  socket.on("move", [&socket](const Arguments& args, const Reply& reply) {
    socket.nsp().in(args.get<std::string>(0).value_or("")).sockets_join({args.get<std::string>(1).value_or("")});
    reply("done");
  });
  socket.on("kick-room", [&socket](const Arguments& args) {
    socket.nsp().in(args.get<std::string>(0).value_or("")).disconnect_sockets();
  });
  socket.on("typed", [](const Arguments& args, const Reply& reply) {
    const auto number = args.get<std::uint8_t>(0);
    const auto bytes = args.get<socketio::Binary>(1);
    if (!number) return reply(number.error().text());
    if (!bytes) return reply(bytes.error().text());
    reply(*number, bytes->bytes.size(), *bytes);
  });
  socket.on("kick", [&socket](const Arguments& args) { socket.disconnect(args.get<bool>(0).value_or(false)); });
  socket.on_disconnect([&socket](socketio::DisconnectReason reason) {
    socket.nsp().emit("gone", std::any_cast<std::string>(socket.data()), socketio::to_string(reason));
  });
}

}  // namespace

int main(int argc, char** argv) {
  serving::SocketIoServerOptions options;
  options.hosts = {"127.0.0.1"};
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  options.workers = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  options.node.server.ping_interval = milliseconds(400);
  options.node.server.ping_timeout = milliseconds(5000);
  if (argc > 3) options.node.recovery_window = milliseconds(std::atoi(argv[3]));
  serving::SocketIoServer server(options);
  server.of("/").on_connection(on_connection);
  server.of("/private")
      .use([](Socket& socket, const Next& next) {
        if (socket.auth("token") == "later")
          socket.nsp().node().after(milliseconds(50), [next] { next(); });
        else if (socket.auth("token") == "good")
          next();
        else
          next.refuse("not authorized", socketio::Json{R"({"code":7,"retry":[1,2]})"});
      })
      .on_connection([](Socket& socket) { socket.emit("in", socket.auth("token")); });
  server.of([](std::string_view name, std::string_view) { return name.starts_with("/tenant-"); })
      .on_connection([](Socket& socket) {
        socket.on("name", [&socket](const Arguments&, const Reply& reply) { reply(socket.nsp().name()); });
        socket.on("all", [&socket](const Arguments& args) { socket.nsp().all().emit_values("all", args.pass_on()); });
      });
  std::printf("ready\n");
  std::fflush(stdout);
  if (const auto ran = server.run(); !ran) {
    std::fprintf(stderr, "%s\n", ran.error().c_str());
    return 1;
  }
  return 0;
}
