#include "serving/listening_sockets.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace famemely::serving {
namespace {

constexpr int kBacklog = 4096;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  bool dual_stack = false;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] std::string text() const {
    char buffer[NI_MAXHOST] = {};
    ::getnameinfo(get(), size, buffer, sizeof buffer, nullptr, 0, NI_NUMERICHOST);
    return buffer;
  }
  void set_port(std::uint16_t port) {
    if (family() == AF_INET6)
      reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
    else
      reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
  }
};

Address any_address(int family) {
  Address address;
  address.storage.ss_family = static_cast<sa_family_t>(family);
  address.size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  address.dual_stack = family == AF_INET6;
  return address;
}

Result<std::vector<Address>, std::string> resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int fault = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); fault != 0)
    return failure(fmt::format("HOST={}: {}", host, ::gai_strerror(fault)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

/// A bound socket, or -1 with errno set. Without `shared` it can't be bound where anybody else is.
int bound_socket(const Address& address, bool shared) {
  const int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const int on = 1;
  const int only_v6 = address.dual_stack ? 0 : 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared) ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.family() == AF_INET6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  if (::bind(descriptor, address.get(), address.size) == 0) return descriptor;
  const int fault = errno;
  ::close(descriptor);
  errno = fault;
  return -1;
}

std::uint16_t bound_port(int descriptor) {
  Address address;
  address.size = sizeof address.storage;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return ntohs(address.family() == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port
                                            : reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port);
}

bool no_such_family(int fault) { return fault == EAFNOSUPPORT || fault == EADDRNOTAVAIL || fault == EPROTONOSUPPORT; }

}  // namespace

ListeningSockets::ListeningSockets(ListeningSockets&& other) noexcept
    : port_(other.port_),
      addresses_(std::move(other.addresses_)),
      descriptors_(std::exchange(other.descriptors_, {})) {}

ListeningSockets::~ListeningSockets() {
  for (const auto& of_worker : descriptors_)
    for (const int descriptor : of_worker) ::close(descriptor);
}

std::vector<int> ListeningSockets::take(std::size_t worker) { return std::exchange(descriptors_[worker], {}); }

Result<ListeningSockets, std::string> ListeningSockets::open(const std::vector<std::string>& hosts, std::uint16_t port,
                                                             std::size_t workers) {
  std::vector<Address> wanted;
  if (hosts.empty()) wanted = {any_address(AF_INET6)};
  for (const std::string& host : hosts) {
    auto found = resolve(host);
    if (!found) return failure(found.error());
    wanted.insert(wanted.end(), found->begin(), found->end());
  }

  ListeningSockets sockets;
  sockets.port_ = port;
  sockets.descriptors_.resize(workers);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Address& address = wanted[i];
    address.set_port(sockets.port_);
    const int probe = bound_socket(address, false);
    if (probe < 0) {
      const int fault = errno;
      if (address.dual_stack && no_such_family(fault)) {
        wanted[i--] = any_address(AF_INET);
        continue;
      }
      if (address.family() == AF_INET6 && no_such_family(fault) && wanted.size() > 1) continue;
      return failure(
          fmt::format("can't listen on {} port {}: {}", address.text(), sockets.port_, std::strerror(fault)));
    }
    if (sockets.port_ == 0) {
      sockets.port_ = bound_port(probe);
      address.set_port(sockets.port_);
    }
    ::close(probe);
    for (std::size_t worker = 0; worker < workers; ++worker) {
      const int descriptor = bound_socket(address, true);
      if (descriptor < 0 || ::listen(descriptor, kBacklog) != 0) {
        const int fault = errno;
        if (descriptor >= 0) ::close(descriptor);
        return failure(
            fmt::format("can't listen on {} port {}: {}", address.text(), sockets.port_, std::strerror(fault)));
      }
      sockets.descriptors_[worker].push_back(descriptor);
    }
    sockets.addresses_.push_back(address.text());
  }
  if (sockets.addresses_.empty()) return failure(std::string("none of the addresses in HOST exists on this machine"));
  return sockets;
}

}  // namespace famemely::serving
