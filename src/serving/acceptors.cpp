#include "serving/acceptors.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "serving/turns.hpp"

namespace famemely::serving {
namespace {

using boost::asio::ip::tcp;

constexpr int kAcceptsPerTurn = 64;
/// As many as a backlog holds (net.core.somaxconn): who still comes while the last are taken is turned away.
constexpr int kLastBatchesMax = 4096 / kAcceptsPerTurn;
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
      ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
  } else if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  }
  return text;
}

}  // namespace

tcp family_of(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
}

Acceptors::Acceptors(boost::asio::io_context& context, Logger& logger, std::function<void()> begin,
                     std::function<void(int, std::string)> accepted)
    : context_(context), logger_(logger), begin_(std::move(begin)), accepted_(std::move(accepted)) {}

void Acceptors::listen(const std::vector<int>& descriptors) {
  for (const int descriptor : descriptors) {
    acceptors_.emplace_back(context_.get_executor());
    acceptors_.back().assign(family_of(descriptor), descriptor);
  }
  for (std::size_t i = 0; i < acceptors_.size(); ++i) wait(i);
}

void Acceptors::close() {
  for (Acceptor& acceptor : acceptors_) {
    // Whoever waits in the backlog is connected already, and may have sent a request.
    for (int batch = 0; batch < kLastBatchesMax && accept_batch(acceptor) == Backlog::more; ++batch) {
    }
    boost::system::error_code ignored;
    acceptor.close(ignored);
  }
}

void Acceptors::wait(std::size_t acceptor) {
  acceptors_[acceptor].async_wait(Acceptor::wait_read, [this, acceptor](const boost::system::error_code& fault) {
    if (!fault) on_ready(acceptor);
  });
}

void Acceptors::on_ready(std::size_t acceptor) {
  if (!acceptors_[acceptor].is_open()) return;  // closed since it was ready
  begin_();
  if (accept_batch(acceptors_[acceptor]) != Backlog::failed) return wait(acceptor);
  // Those who wait in the backlog get their turn when descriptors are free again.
  auto pause = std::make_shared<Timer>(context_.get_executor(), kAcceptPause);
  pause->async_wait([this, acceptor, pause](const boost::system::error_code& fault) {
    if (!fault && acceptors_[acceptor].is_open()) wait(acceptor);
  });
}

Acceptors::Backlog Acceptors::accept_batch(Acceptor& acceptor) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int descriptor =
        ::accept4(acceptor.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      accepted_(descriptor, address_text(peer));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Backlog::empty;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      logger_.error("accept failed", {{"error", std::strerror(errno)}});
      return Backlog::failed;
    }
  }
  return Backlog::more;
}

}  // namespace famemely::serving
