#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.hpp"
#include "serving/tls_files.hpp"
#include "serving/tls_pipe.hpp"

namespace famemely::serving {

/// The certificate that all workers serve with. Connections keep the one that they began with.
class TlsServer {
 public:
  [[nodiscard]] static Result<std::unique_ptr<TlsServer>, std::string> make(TlsFiles files);

  /// A connection that has just been accepted. Callable from any thread.
  [[nodiscard]] std::unique_ptr<TlsPipe> accept();
  /// Reads the files again, for connections from now on. If they can't be used the old ones stay, and the failure says
  /// why. Callable from any thread.
  [[nodiscard]] Result<void, std::string> reload();

 private:
  TlsServer(TlsFiles files, TlsContext context) : files_(std::move(files)), context_(std::move(context)) {}

  const TlsFiles files_;
  std::mutex mutex_;
  TlsContext context_;  // under the lock, which a connection takes once
};

}  // namespace famemely::serving
