#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace famemely::engineio {

/// Who says whether one session more may be opened. A port: the servers of all workers share one.
class Admission {
 public:
  /// Held as long as the session lives.
  using Place = std::shared_ptr<void>;
  struct Refusal {
    int status;
    std::string message;
  };

  virtual ~Admission() = default;
  [[nodiscard]] virtual Result<Place, Refusal> admit(std::string_view remote_address, Instant now) = 0;
};

}  // namespace famemely::engineio
