#include "serving/tls_engine.hpp"

#include <openssl/err.h>

#include <new>

namespace famemely::serving {

TlsEngine::TlsEngine(SSL_CTX* context)
    : ssl_(SSL_new(context)), input_(BIO_new(BIO_s_mem())), output_(BIO_new(BIO_s_mem())) {
  if (!ssl_ || !input_ || !output_) throw std::bad_alloc();
  BIO_ctrl(input_, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nullptr);  // more is to come
  SSL_set_bio(ssl_.get(), input_, output_);
}

void TlsEngine::begin(std::string& wire) {
  ERR_clear_error();
  SSL_do_handshake(ssl_.get());  // it has nothing to read yet
  take_output(wire);
}

TlsEngine::State TlsEngine::receive(std::string_view bytes, std::string& clear, std::string& wire) {
  ERR_clear_error();
  BIO_write(input_, bytes.data(), static_cast<int>(bytes.size()));
  char piece[SSL3_RT_MAX_PLAIN_LENGTH];
  for (;;) {
    const int size = SSL_read(ssl_.get(), piece, sizeof piece);
    if (size > 0) {
      clear.append(piece, static_cast<std::size_t>(size));
      continue;
    }
    const int what = SSL_get_error(ssl_.get(), size);
    take_output(wire);
    if (what == SSL_ERROR_WANT_READ) return State::open;
    return what == SSL_ERROR_ZERO_RETURN ? State::ended : State::failed;
  }
}

std::size_t TlsEngine::send(std::string_view clear, std::string& wire) {
  ERR_clear_error();
  const int size = SSL_write(ssl_.get(), clear.data(), static_cast<int>(clear.size()));
  take_output(wire);
  ERR_clear_error();
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

void TlsEngine::close(std::string& wire) {
  ERR_clear_error();
  if (established()) SSL_shutdown(ssl_.get());
  take_output(wire);
  ERR_clear_error();
}

void TlsEngine::take_output(std::string& wire) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(output_, &bytes);
  if (size <= 0) return;
  wire.append(bytes, static_cast<std::size_t>(size));
  static_cast<void>(BIO_reset(output_));
}

}  // namespace famemely::serving
