#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "client.hpp"
#include "protocol/mqtt/encoder.hpp"

namespace link_cost {
namespace {

using namespace famemely;

class Wire {
 public:
  explicit Wire(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("the flood has no connection to the broker");
  }
  ~Wire() { ::close(socket_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void write(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t sent = ::send(socket_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the broker ended the flood");
      done += static_cast<std::size_t>(sent);
    }
  }
  /// Waits for an answer, whatever it is.
  void wait() {
    char answer[64];
    if (::recv(socket_, answer, sizeof answer, 0) <= 0) throw std::runtime_error("the broker ended the flood");
  }

 private:
  int socket_;
};

}  // namespace

void flood(std::uint16_t port, std::uint64_t messages) {
  constexpr std::uint64_t kBatch = 100;
  constexpr std::uint64_t kUnread = 2'000;
  Wire wire(port);
  std::string bytes;
  mqtt::encode_connect({.version = mqtt::ProtocolVersion::v3_1_1, .client_id = "link-cost-flood"}, bytes);
  wire.write(bytes);
  wire.wait();
  const std::string payload(kPayloadBytes, 'x');
  std::string batch;
  for (std::uint64_t i = 0; i < kBatch; ++i)
    mqtt::encode_publish({.topic = kTopic, .payload = payload}, mqtt::ProtocolVersion::v3_1_1, batch);
  std::string ping;
  mqtt::encode_pingreq(ping);
  for (std::uint64_t sent = 0; sent < messages; sent += kBatch) {
    wire.write(batch);
    if (sent % kUnread != 0) continue;
    wire.write(ping);
    wire.wait();
  }
  wire.write(ping);
  wire.wait();
}

}  // namespace link_cost
