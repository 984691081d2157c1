#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"

namespace famemely::api {

/// The answer to a batch of publishes while its results come in, in whatever order, each for its own place.
class BatchAnswer {
 public:
  BatchAnswer() = default;
  explicit BatchAnswer(std::size_t messages) : topics_(messages), results_(messages), missing_(messages) {}

  /// The message of this place is on its way to the broker.
  void sent(std::size_t place, std::string topic) { topics_[place] = std::move(topic); }
  /// Nothing: the broker has taken it.
  void note(std::size_t place, const std::optional<Error>& error, WallTime now);

  [[nodiscard]] bool complete() const { return missing_ == 0; }
  /// `{"success":bool,"results":[…]}`, once it is complete.
  [[nodiscard]] std::string json() const;

 private:
  std::vector<std::string> topics_;
  std::vector<std::string> results_;
  std::size_t missing_ = 0;
  bool all_published_ = true;
};

}  // namespace famemely::api
