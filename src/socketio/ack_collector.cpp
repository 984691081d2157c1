#include "socketio/ack_collector.hpp"

#include <utility>

namespace famemely::socketio {

void AckCollector::begin(RequestNumber request, std::size_t nodes, BroadcastCallback callback) {
  collections_.insert_or_assign(request, Collection{nodes, {}, {}, std::move(callback)});
}

bool AckCollector::on_expected(const AcksExpected& expected) {
  const auto found = collections_.find(expected.request);
  if (found == collections_.end()) return false;
  Collection& collection = found->second;
  --collection.nodes_due;
  collection.sids_due.insert(expected.sids.begin(), expected.sids.end());
  return collection.nodes_due == 0 && collection.sids_due.empty();
}

bool AckCollector::on_given(AckGiven given) {
  const auto found = collections_.find(given.request);
  if (found == collections_.end()) return false;
  Collection& collection = found->second;
  if (collection.sids_due.erase(given.sid) == 0) return false;
  if (given.answer)
    collection.answers.answers.push_back({std::move(given.sid), *std::move(given.answer)});
  else
    collection.answers.missing.push_back(std::move(given.sid));
  return collection.nodes_due == 0 && collection.sids_due.empty();
}

std::optional<std::pair<BroadcastAnswers, BroadcastCallback>> AckCollector::take(RequestNumber request) {
  const auto found = collections_.find(request);
  if (found == collections_.end()) return std::nullopt;
  Collection collection = std::move(found->second);
  collections_.erase(found);
  collection.answers.missing.insert(collection.answers.missing.end(), collection.sids_due.begin(),
                                    collection.sids_due.end());
  collection.answers.node_missing = collection.nodes_due > 0;
  return std::pair(std::move(collection.answers), std::move(collection.callback));
}

}  // namespace famemely::socketio
