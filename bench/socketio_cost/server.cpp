// The server that `cost.mjs` measures beside the official one; `official.mjs` does the same.
//   socketio_cost_server [PORT] [WORKERS]
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "serving/socketio_server.hpp"

namespace {

using namespace famemely;
using socketio::Arguments;
using socketio::Reply;
using socketio::Socket;
using std::chrono::seconds;

constexpr seconds kAckTimeout{30};

std::atomic<std::uint64_t> events_in;
std::atomic<std::uint64_t> bytes_in;
std::atomic<std::uint64_t> answers_in;

void on_connection(Socket& socket) {
  socket.on("in", [](const Arguments& args) {
    const auto text = args.get<std::string>(0);
    events_in.fetch_add(1, std::memory_order_relaxed);
    bytes_in.fetch_add(text ? text->size() : 0, std::memory_order_relaxed);
  });
  socket.on("me", [&socket](const Arguments& args) { socket.emit("news", args.get<std::string>(0).value_or("")); });
  socket.on("all", [&socket](const Arguments& args, const Reply& reply) {
    const auto text = args.get<std::string>(0).value_or("");
    const auto times = args.get<int>(1).value_or(0);
    for (int i = 0; i < times; ++i) socket.nsp().emit("news", text);
    reply();
  });
  socket.on("ask", [](const Arguments& args, const Reply& reply) { reply(args.get<std::string>(0).value_or("")); });
  socket.on("ask me", [&socket](const Arguments& args) {
    socket.emit_with_ack(
        "question", socketio::values(args.get<std::string>(0).value_or("")),
        [](const Result<Arguments, socketio::AckError>& answer) {
          if (answer && answer->get<std::string>(0)) answers_in.fetch_add(1, std::memory_order_relaxed);
        },
        kAckTimeout);
  });
  socket.on("ask all", [&socket](const Arguments& args, const Reply& reply) {
    socket.nsp()
        .timeout(kAckTimeout)
        .emit_with_ack("question", socketio::values(args.get<std::string>(0).value_or("")),
                       [reply](const socketio::BroadcastAnswers& answers) { reply(answers.answers.size()); });
  });
  socket.on("sync", [](const Arguments&, const Reply& reply) { reply(); });
  socket.on("counts",
            [](const Arguments&, const Reply& reply) { reply(events_in.load(), bytes_in.load(), answers_in.load()); });
}

}  // namespace

int main(int argc, char** argv) {
  serving::SocketIoServerOptions options;
  options.hosts = {"127.0.0.1"};
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 3000);
  options.workers = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  options.node.server.ping_interval = seconds(600);
  options.node.server.ping_timeout = seconds(600);
  serving::SocketIoServer server(options);
  server.of("/").on_connection(on_connection);
  std::printf("ready\n");
  std::fflush(stdout);
  if (const auto ran = server.run(); !ran) return std::fprintf(stderr, "%s\n", ran.error().c_str()), 1;
}
