#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace famemely::serving {

/// Sockets that listen on the same addresses and port, one set a worker (SO_REUSEPORT: the kernel spreads connections).
class ListeningSockets {
 public:
  /// `hosts` empty: all addresses, IPv6 and IPv4 on one dual-stack socket, IPv4 alone where there is no IPv6. A host is
  /// an address or a name. Port 0 picks a free one. An address in use is an error, although SO_REUSEPORT would share it
  /// with another process of the same user. `::1` missing on a machine without IPv6 is passed over if others are there.
  [[nodiscard]] static Result<ListeningSockets, std::string> open(const std::vector<std::string>& hosts,
                                                                  std::uint16_t port, std::size_t workers);
  ListeningSockets(ListeningSockets&&) noexcept;
  ListeningSockets& operator=(ListeningSockets&&) = delete;
  ~ListeningSockets();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// What is listened on, as text: `127.0.0.1`, `::1`.
  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }
  /// Gives the descriptors of one worker away.
  [[nodiscard]] std::vector<int> take(std::size_t worker);

 private:
  ListeningSockets() = default;

  std::uint16_t port_ = 0;
  std::vector<std::string> addresses_;
  std::vector<std::vector<int>> descriptors_;  // by worker
};

}  // namespace famemely::serving
