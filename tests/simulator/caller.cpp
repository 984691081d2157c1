#include "caller.hpp"

#include <algorithm>
#include <utility>

namespace famemely::mqtt::simulator {
namespace {

using std::chrono::milliseconds;

}  // namespace

Caller::Caller(const Traits& traits, Dice& dice, Ledger& ledger, WireWatch& watch, Trace& trace, Session& session)
    : traits_(traits),
      dice_(dice),
      ledger_(ledger),
      watch_(watch),
      trace_(trace),
      session_(session),
      publishes_left_(traits.publishes) {}

Instant Caller::deadline() const {
  const Instant action = done() ? kNever : next_action_;
  return acknowledgements_.empty() ? action : std::min(action, acknowledgements_.begin()->first);
}

void Caller::on_timer(Instant now, Effects& effects) {
  while (!acknowledgements_.empty() && acknowledgements_.begin()->first <= now)
    acknowledge(acknowledgements_.extract(acknowledgements_.begin()).mapped(), now, effects);
  if (done() || now < next_action_) return;
  next_action_ = now + dice_.between(milliseconds(0), traits_.spacing_max);
  act(now, effects);
}

void Caller::act(Instant now, Effects& effects) {
  // While there is no connection it mostly waits, but it may forget to.
  if (!session_.connected() && !dice_.chance(5)) return;
  const std::size_t what = dice_.below(100);
  if (what < 80) {
    --publishes_left_;
    publish(now, effects);
  } else if (what < 90) {
    subscribe(dice_.between(1, 3), now, effects);
  } else if (what < 95) {
    unsubscribe(now, effects);
  } else if (session_.connected()) {
    session_.ping(next_token_, now, effects);
    pings_.insert(next_token_++);
  }
}

bool Caller::must_be_taken(const Outgoing& message) const {
  const BrokerCapabilities& broker = session_.broker();
  const bool broker_takes_it = message.qos <= broker.maximum_qos && (broker.retain || !message.retain) &&
                               broker.maximum_packet_size > 10'000 && !message.with_properties;
  return broker_takes_it && (message.qos == 0 || (session_.queued() < traits_.session.queued_publishes_max &&
                                                  traits_.session.queued_bytes_max > 10'000'000));
}

void Caller::publish(Instant now, Effects& effects) {
  static const std::string kTopics[] = {"x", "y/1", "y/2", "y/3", "z"};
  const std::size_t number = ledger_.outgoing.size();
  ledger_.outgoing.push_back({.topic = dice_.pick(kTopics),
                              .payload_bytes = dice_.chance(5) ? 400 : dice_.below(60),
                              .qos = static_cast<std::uint8_t>(dice_.below(3)),
                              .retain = dice_.chance(10),
                              .with_properties = traits_.properties && dice_.chance(50),
                              .accepted = true,
                              .losses_before = ledger_.session_losses});
  Outgoing& message = ledger_.outgoing.back();
  const bool must_be_taken_now = session_.connected() && must_be_taken(message);
  trace_.line(0, "caller",
              [&] { return "publishes " + std::to_string(number) + " at QoS " + std::to_string(message.qos); });
  const auto outcome = session_.publish({.token = number,
                                         .topic = *TopicName::parse(message.topic),
                                         .payload = Ledger::payload_of(number, message.payload_bytes),
                                         .qos = message.qos,
                                         .retain = message.retain,
                                         .properties = properties_of(number, message.with_properties)},
                                        now, effects);
  message.accepted = outcome.has_value();
  require(session_.connected() || !outcome, "accepted without a connection: our message", number);
  require(outcome || !must_be_taken_now, "refused without a reason: our message", number);
  if (!outcome) trace_.line(0, "session", [&] { return "refuses: " + outcome.error().text(); });
}

void Caller::subscribe(std::size_t filters, Instant now, Effects& effects) {
  static const std::string kFilters[] = {"a/#", "a/1", "b/#", "b/1", "#", "c", "b/" + std::string(70, 'x')};
  SubscribeCommand command{.token = next_token_++, .entries = {}};
  for (std::size_t i = 0; i < filters; ++i)
    command.entries.push_back(
        {.filter = *TopicFilter::parse(dice_.pick(kFilters)), .qos = static_cast<std::uint8_t>(dice_.below(3))});
  if (dice_.chance(session_.broker().subscription_identifiers ? 70 : 5))
    command.subscription_identifier = next_identifier_++;
  if (dice_.chance(5)) command.entries.back().retain_handling = RetainHandling::do_not_send;
  if (session_.subscribe(command, now, effects)) requests_.emplace(command.token, filters);
}

void Caller::unsubscribe(Instant now, Effects& effects) {
  const Token token = next_token_++;
  if (session_.unsubscribe({.token = token, .filters = {*TopicFilter::parse("b/#"), *TopicFilter::parse("c")}}, now,
                           effects))
    requests_.emplace(token, 2);
}

void Caller::acknowledge(AcknowledgementHandle handle, Instant now, Effects& effects) {
  trace_.line(0, "caller", [&] { return "acknowledges " + std::to_string(handle); });
  watch_.on_acknowledged(handle);
  session_.acknowledge(handle, now, effects);
}

void Caller::complete(Token token, bool lost, std::size_t codes) {
  const auto found = requests_.find(token);
  require(found != requests_.end(), "a request was answered twice, or never made");
  require(codes == (lost ? 0 : found->second), "a request was answered with the wrong number of codes");
  requests_.erase(found);
}

void Caller::on_event(const SessionEvent& event, Instant now, Effects& effects) {
  if (const auto* message = std::get_if<MessageReceived>(&event); message && message->acknowledgement != 0) {
    const AcknowledgementHandle handle = message->acknowledgement;
    Instant due = now + dice_.between(Duration::zero(), traits_.hand_over_max);
    if (traits_.acknowledges_in_order) due = last_acknowledgement_ = std::max(due, last_acknowledgement_);
    if (due <= now && acknowledgements_.empty())
      acknowledge(handle, now, effects);
    else
      acknowledgements_.emplace(due, handle);
  }
  if (const auto* completed = std::get_if<SubscribeCompleted>(&event))
    complete(completed->token, completed->lost, completed->codes.size());
  if (const auto* completed = std::get_if<UnsubscribeCompleted>(&event))
    complete(completed->token, completed->lost, completed->codes.size());
  if (const auto* completed = std::get_if<PingCompleted>(&event))
    require(pings_.erase(completed->token) == 1, "a ping was answered twice, or never sent");
  if (const auto* connected = std::get_if<Connected>(&event); connected && !connected->session_present)
    subscribe(3, now, effects);
}

void Caller::on_closed() { pings_.clear(); }

}  // namespace famemely::mqtt::simulator
