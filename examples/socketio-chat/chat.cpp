// A chat with rooms and nick names: a Socket.IO server in C++.
//   socketio-chat [PORT] [WORKERS]      then open http://localhost:3000/ in two browsers
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "serving/socketio_server.hpp"

using namespace famemely;
using socketio::Arguments, socketio::Next, socketio::Reply, socketio::Socket;
using Answer = std::map<std::string, std::string>;

std::string nick_of(Socket& socket) { return std::any_cast<std::string>(socket.data()); }

void check_nick(Socket& socket, const Next& next) {
  const auto nick = socket.auth("nick");
  if (!nick || nick->empty()) return next.refuse("a nick name, please", socketio::Json{R"({"field":"nick"})"});
  socket.data() = *nick;
  next();
}

void on_connection(Socket& socket) {
  socket.on("join", [&socket](const Arguments& args, const Reply& reply) {
    const auto room = args.get<std::string>(0);
    if (!room) return reply(Answer{{"error", room.error().text()}});
    socket.join(*room);
    socket.to(*room).emit("joined", *room, nick_of(socket));
    socket.nsp().in(*room).fetch_sockets([reply](const std::vector<socketio::RemoteSocket>& sockets) {
      std::vector<std::string> nicks;
      for (const auto& other : sockets) nicks.push_back(std::any_cast<std::string>(other.data));
      reply(nicks);
    });
  });
  socket.on("say", [&socket](const Arguments& args, const Reply& reply) {
    const auto room = args.get<std::string>(0);
    const auto text = args.get<std::string>(1);
    if (!room || !text) return reply(Answer{{"error", (room ? text.error() : room.error()).text()}});
    socket.nsp().to(*room).emit("said", *room, nick_of(socket), *text);
    reply("ok");
  });
  socket.on_disconnecting([&socket](socketio::DisconnectReason reason) {
    for (const std::string& room : socket.rooms())
      socket.to(room).emit("left", room, nick_of(socket), socketio::to_string(reason));
  });
}

int main(int argc, char** argv) {
  std::ifstream file(CHAT_PAGE);
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  serving::SocketIoServerOptions options;
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 3000);
  options.workers = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 2);
  options.node.on_request = [&page](const HttpRequest& request) {
    HttpResponse response;
    response.fields.add("Content-Type", "text/html; charset=utf-8");
    response.status = request.path() == "/" ? 200 : 404;
    if (response.status == 200) response.body = page;
    return response;
  };
  serving::SocketIoServer server(options);
  server.of("/").use(check_nick).on_connection(on_connection);
  if (const auto ran = server.run(); !ran) return std::fprintf(stderr, "%s\n", ran.error().c_str()), 1;
}
