#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>

#include "ledger.hpp"
#include "protocol/mqtt/session.hpp"
#include "trace.hpp"
#include "traits.hpp"
#include "wire_watch.hpp"

namespace famemely::mqtt::simulator {

/// What uses the session: publishes, subscribes, and takes its time to acknowledge.
class Caller {
 public:
  Caller(const Traits& traits, Dice& dice, Ledger& ledger, WireWatch& watch, Trace& trace, Session& session);

  [[nodiscard]] Instant deadline() const;
  void on_timer(Instant now, Effects& effects);
  void on_event(const SessionEvent& event, Instant now, Effects& effects);
  /// The connection is gone.
  void on_closed();

  /// There is nothing that it still wants to do.
  [[nodiscard]] bool done() const { return publishes_left_ == 0; }
  /// Nothing that it asked for is unanswered, nothing that it was given is unacknowledged.
  [[nodiscard]] bool quiet() const { return requests_.empty() && pings_.empty() && acknowledgements_.empty(); }

 private:
  void publish(Instant now, Effects& effects);
  [[nodiscard]] bool must_be_taken(const Outgoing& message) const;
  void act(Instant now, Effects& effects);
  void subscribe(std::size_t filters, Instant now, Effects& effects);
  void unsubscribe(Instant now, Effects& effects);
  void acknowledge(AcknowledgementHandle handle, Instant now, Effects& effects);
  void complete(Token token, bool lost, std::size_t codes);

  const Traits& traits_;
  Dice& dice_;
  Ledger& ledger_;
  WireWatch& watch_;
  Trace& trace_;
  Session& session_;
  std::size_t publishes_left_;
  Instant next_action_{};
  std::multimap<Instant, AcknowledgementHandle> acknowledgements_;
  Instant last_acknowledgement_{};
  Token next_token_ = 1'000'000;
  std::uint32_t next_identifier_ = 1;
  std::map<Token, std::size_t> requests_;  // the filters asked for
  std::set<Token> pings_;
};

}  // namespace famemely::mqtt::simulator
