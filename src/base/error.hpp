#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limit_counters.hpp"

namespace famemely {

/// Everything a client can be refused with, one row each in the table of error.cpp.
enum class ErrorCode {
  bad_request,
  unauthorized,
  forbidden,
  not_found,
  payload_too_large,
  unsupported_media_type,
  too_many_requests,
  internal,
  broker_refused,
  unavailable,
  broker_timeout,
};

/// A refusal as a client sees it: the HTTP status (also `statusCode` of Socket.IO errors) follows from the code.
struct Error {
  ErrorCode code;
  std::string message;
  /// More than one for validation errors: an array in REST, joined by `; ` over Socket.IO.
  std::vector<std::string> details{};
  /// Which limit it is for; counted where the client is answered. Limits that are counted where they are kept leave it
  /// out.
  std::optional<Limit> limit{};

  [[nodiscard]] int status() const;
  /// The HTTP reason phrase, NestJS's `error` member.
  [[nodiscard]] std::string_view reason() const;
  /// One text: the details joined by `; `, or the message.
  [[nodiscard]] std::string text() const;

  bool operator==(const Error&) const = default;
};

}  // namespace famemely
