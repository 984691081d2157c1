#include "serving/tls_pipe.hpp"

#include <utility>

#include "serving/openssl_error.hpp"

namespace famemely::serving {

TlsPipe::TlsPipe(SSL_CTX* context) : engine_(context) { SSL_set_accept_state(engine_.handle()); }

TlsPipe::State TlsPipe::receive(std::string_view wire, std::string& clear) {
  if (!std::exchange(begun_, true)) speaks_http_ = !wire.empty() && wire.front() >= 'A' && wire.front() <= 'Z';
  const State state = engine_.receive(wire, clear, outgoing_);
  if (state == State::failed) fault_ = take_openssl_error("the client broke the protocol");
  if (state != State::open || outgoing().size() <= 2 * kOutgoingMax) return state;
  // TLS 1.3 answers each KeyUpdate that asks for it (RFC 8446 section 4.6.3), whether or not the answers are taken.
  fault_ = "the client does not read what it asks for";
  return State::failed;
}

std::size_t TlsPipe::send(std::string_view clear) {
  if (!established()) return 0;
  std::size_t taken = 0;
  while (taken < clear.size() && outgoing().size() < kOutgoingMax) {
    const std::size_t size = engine_.send(clear.substr(taken, SSL3_RT_MAX_PLAIN_LENGTH), outgoing_);
    if (size == 0) break;
    taken += size;
  }
  return taken;
}

void TlsPipe::close() { engine_.close(outgoing_); }

void TlsPipe::sent(std::size_t bytes) {
  sent_ += bytes;
  if (sent_ < outgoing_.size()) return;
  outgoing_ = {};  // an idle connection keeps no memory for it
  sent_ = 0;
}

}  // namespace famemely::serving
