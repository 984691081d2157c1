// What permessage-deflate costs a worker that sends one message to many WebSockets: compressed once for all, compressed
// for each, and not at all. Each figure is the median of several rounds, which take turns.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "protocol/engineio/server.hpp"
#include "protocol/engineio/test_bench.hpp"

namespace {

using namespace famemely;
using namespace famemely::engineio;

constexpr std::size_t kClients = 1'000;
constexpr int kRounds = 51;

/// JSON of about this size, as a gateway sends it: names that repeat, numbers that do not.
std::string sample(std::size_t bytes) {
  std::string text = "42/mqtt,[\"mqtt:message\",{\"topic\":\"plant/7\",\"payload\":[";
  for (unsigned i = 0; text.size() < bytes; ++i)
    text += "{\"sensor\":\"s" + std::to_string(i % 40) + "\",\"value\":" + std::to_string(i * 2654435761U % 100'000) +
            ",\"at\":" + std::to_string(1'764'000'000'000 + i * 97) + "},";
  text.back() = ']';
  return "4" + text + "}]";
}

class Fanout {
 public:
  explicit Fanout(std::optional<std::uint32_t> deflate_from, bool clients_take_it)
      : server_(options(deflate_from), random_) {
    IoEffects io;
    for (ConnectionId connection = 1; connection <= kClients; ++connection) {
      HttpRequest request = make_upgrade("EIO=4&transport=websocket");
      if (clients_take_it) request.fields.add("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
      server_.on_upgrade(connection, request, now_, io);
      while (server_.next(now_, io)) {
      }
    }
    sessions_ = server_.sessions();
    flush();
  }

  /// Microseconds of CPU for one message to all, up to the gathered bytes. `anew` makes a frame for each client.
  double run(const std::string& text, bool anew) {
    const Frame frame = make_text_frame(text);
    const std::clock_t begin = std::clock();
    for (const SessionId session : sessions_) (void)server_.send(session, anew ? make_text_frame(text) : frame);
    bytes_ = flush();
    return static_cast<double>(std::clock() - begin) * 1e6 / CLOCKS_PER_SEC;
  }
  [[nodiscard]] std::size_t bytes_per_client() const { return bytes_ / kClients; }

 private:
  static Options options(std::optional<std::uint32_t> deflate_from) {
    Options options;
    options.websocket_compression_bytes_min = deflate_from;
    return options;
  }

  std::size_t flush() {
    io_.clear();
    server_.end_of_turn(now_, io_);
    std::size_t bytes = 0;
    for (const IoEffect& effect : io_) {
      const auto* ready = std::get_if<WriteReady>(&effect);
      if (!ready) continue;
      std::array<Piece, 4> pieces;
      bool more = true;
      while (more) {
        std::size_t gathered = 0;
        const std::size_t count = server_.gather(ready->connection, pieces);
        for (std::size_t i = 0; i < count; ++i) gathered += pieces[i].size();
        bytes += gathered;
        more = gathered > 0 && server_.wrote(ready->connection, gathered, nothing_);
      }
    }
    return bytes;
  }

  SeededRandom random_;
  Now now_{Instant(std::chrono::hours(1)), {}};
  Server server_;
  std::vector<SessionId> sessions_;
  IoEffects io_;
  IoEffects nothing_;
  std::size_t bytes_ = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main() {
  Fanout off(std::nullopt, true);
  Fanout unused(1'024, false);
  Fanout once(1'024, true);
  Fanout each(1'024, true);
  for (const std::size_t size : {500U, 1'500U, 10'000U, 100'000U}) {
    const std::string text = sample(size);
    std::vector<double> times[4];
    for (int round = 0; round < kRounds; ++round) {
      times[0].push_back(off.run(text, false));
      times[1].push_back(unused.run(text, false));
      times[2].push_back(once.run(text, false));
      if (round < 5) times[3].push_back(each.run(text, true));
    }
    std::printf(
        "{\"bench\":\"deflate fan-out\",\"clients\":%zu,\"message_bytes\":%zu,\"us_switched_off\":%.0f,"
        "\"us_no_client_takes_it\":%.0f,\"us_once_for_all\":%.0f,\"us_for_each\":%.0f,"
        "\"bytes_plain\":%zu,\"bytes_deflated\":%zu}\n",
        kClients, text.size(), median(times[0]), median(times[1]), median(times[2]), median(times[3]),
        off.bytes_per_client(), once.bytes_per_client());
  }
  return 0;
}
