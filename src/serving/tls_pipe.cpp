#include "serving/tls_pipe.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <new>
#include <utility>

namespace famemely::serving {
namespace {

std::string take_fault() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "the client broke the protocol";
}

}  // namespace

TlsPipe::TlsPipe(SSL_CTX* context) : ssl_(SSL_new(context)) {
  input_ = BIO_new(BIO_s_mem());
  output_ = BIO_new(BIO_s_mem());
  if (!ssl_ || !input_ || !output_) throw std::bad_alloc();
  BIO_ctrl(input_, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nullptr);  // more is to come
  SSL_set_bio(ssl_.get(), input_, output_);
  SSL_set_accept_state(ssl_.get());
}

TlsPipe::State TlsPipe::receive(std::string_view wire, std::string& clear) {
  if (!std::exchange(begun_, true)) speaks_http_ = !wire.empty() && wire.front() >= 'A' && wire.front() <= 'Z';
  ERR_clear_error();
  BIO_write(input_, wire.data(), static_cast<int>(wire.size()));
  char piece[SSL3_RT_MAX_PLAIN_LENGTH];
  for (;;) {
    const int size = SSL_read(ssl_.get(), piece, sizeof piece);
    if (size > 0) {
      clear.append(piece, static_cast<std::size_t>(size));
      continue;
    }
    const int what = SSL_get_error(ssl_.get(), size);
    take_output();
    if (what == SSL_ERROR_WANT_READ) return State::open;
    if (what == SSL_ERROR_ZERO_RETURN) return State::ended;
    fault_ = take_fault();
    return State::failed;
  }
}

std::size_t TlsPipe::send(std::string_view clear) {
  if (!established()) return 0;
  ERR_clear_error();
  std::size_t taken = 0;
  while (taken < clear.size() && outgoing().size() < kOutgoingMax) {
    const std::size_t piece = std::min<std::size_t>(clear.size() - taken, SSL3_RT_MAX_PLAIN_LENGTH);
    const int size = SSL_write(ssl_.get(), clear.data() + taken, static_cast<int>(piece));
    if (size <= 0) break;
    taken += static_cast<std::size_t>(size);
    take_output();
  }
  ERR_clear_error();
  return taken;
}

void TlsPipe::close() {
  ERR_clear_error();
  if (established()) SSL_shutdown(ssl_.get());
  take_output();
  ERR_clear_error();
}

void TlsPipe::sent(std::size_t bytes) {
  sent_ += bytes;
  if (sent_ < outgoing_.size()) return;
  outgoing_ = {};  // an idle connection keeps no memory for it
  sent_ = 0;
}

void TlsPipe::take_output() {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(output_, &bytes);
  if (size <= 0) return;
  outgoing_.append(bytes, static_cast<std::size_t>(size));
  static_cast<void>(BIO_reset(output_));
}

}  // namespace famemely::serving
