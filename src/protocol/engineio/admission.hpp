#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace famemely::engineio {

/// Who says whether one session more may be opened, and one attempt more be made to get in by it. A port: the servers
/// of all workers share one.
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
  /// A request of that address; the refusal if it is one too many.
  [[nodiscard]] virtual std::optional<Refusal> refuse_request(std::string_view remote_address, Instant now) = 0;
};

}  // namespace famemely::engineio
