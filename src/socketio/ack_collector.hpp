#pragma once

#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "socketio/emitter.hpp"

namespace famemely::socketio {

/// Gathers what nodes and sockets answer to the broadcasts of one node that ask for acknowledgements.
class AckCollector {
 public:
  void begin(RequestNumber request, std::size_t nodes, BroadcastCallback callback);
  /// Each returns true if the request has all its answers now: `take` it.
  bool on_expected(const AcksExpected& expected);
  bool on_given(AckGiven given);
  /// What there is, and whom to tell; nothing if the request is not known (any more).
  [[nodiscard]] std::optional<std::pair<BroadcastAnswers, BroadcastCallback>> take(RequestNumber request);

  [[nodiscard]] std::size_t size() const { return collections_.size(); }

 private:
  struct Collection {
    std::size_t nodes_due;
    std::unordered_set<std::string> sids_due;
    BroadcastAnswers answers;
    BroadcastCallback callback;
  };

  std::unordered_map<RequestNumber, Collection> collections_;
};

}  // namespace famemely::socketio
