#include "serving/tls_server.hpp"

#include <utility>

namespace famemely::serving {

Result<std::unique_ptr<TlsServer>, std::string> TlsServer::make(TlsFiles files) {
  auto context = read_tls_files(files);
  if (!context) return failure(context.error());
  return std::unique_ptr<TlsServer>(new TlsServer(std::move(files), *std::move(context)));
}

std::unique_ptr<TlsPipe> TlsServer::accept() {
  const std::lock_guard lock(mutex_);
  return std::make_unique<TlsPipe>(context_.get());  // which holds the context from here on
}

Result<void, std::string> TlsServer::reload() {
  auto context = read_tls_files(files_);
  if (!context) return failure(context.error());
  const std::lock_guard lock(mutex_);
  context_.swap(*context);
  return {};
}

}  // namespace famemely::serving
