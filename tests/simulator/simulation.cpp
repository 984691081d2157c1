#include "simulation.hpp"

#include <algorithm>
#include <list>
#include <string>

#include "broker.hpp"
#include "caller.hpp"

namespace famemely::mqtt::simulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kStepsMax = 200'000;
constexpr std::size_t kFaultsMax = 25;

/// As Session::close tells it: whether what was in flight is counted as a suspect.
bool blames(const Disconnected& event) {
  if (event.by_caller) return false;
  if (!event.by_broker) return true;
  const auto code = static_cast<std::uint8_t>(event.code.value_or(ReasonCode::success));
  static constexpr std::uint8_t kOperators[] = {0x89, 0x8B, 0x8E, 0x98, 0x9C, 0x9D, 0x9F, 0xA0};
  return std::find(std::begin(kOperators), std::end(kOperators), code) == std::end(kOperators);
}

class Simulation {
 public:
  Simulation(std::uint64_t seed, bool printing)
      : dice_(seed),
        traits_(draw_traits(dice_)),
        trace_(printing),
        watch_(traits_, ledger_, trace_),
        session_(traits_.session),
        broker_(traits_, dice_, ledger_, trace_),
        caller_(traits_, dice_, ledger_, watch_, trace_, session_) {
    if (printing) std::printf("%s\n", describe(traits_).c_str());
    faults_left_ = traits_.faults_every == Duration::zero() ? 0 : kFaultsMax;
    messages_left_ = traits_.messages;
    next_fault_ = next_message_ = reopen_at_ = now_;
    plan_fault();
  }

  Outcome run() {
    Outcome outcome;
    try {
      for (std::size_t steps = 0; !at_rest(); ++steps) {
        require(steps < kStepsMax, "it does not come to rest");
        step();
      }
      check_rest();
    } catch (const Violation& violation) {
      outcome.violation = violation.what();
    }
    outcome.digest = trace_.digest();
    outcome.connections = links_made_;
    outcome.messages = ledger_.outgoing.size() + ledger_.incoming.size();
    return outcome;
  }

 private:
  [[nodiscard]] bool wild() const { return !caller_.done() || messages_left_ > 0; }
  [[nodiscard]] bool at_rest() const {
    return !wild() && session_.connected() && session_.in_flight() == 0 && session_.queued() == 0 &&
           session_.unacknowledged() == 0 && caller_.quiet() && broker_.quiet() && link_ && link_->up.due() == kNever &&
           link_->down.due() == kNever && link_->client_told == kNever && link_->broker_told == kNever;
  }
  void check_rest() {
    require(session_.packet_ids_in_use() == watch_.retired(), "packet identifiers leaked");
    ledger_.check_outgoing();
    ledger_.check_incoming();
  }

  // When things happen to us, and to the broker: later than they are due, if that side stands still.
  [[nodiscard]] Instant at_client(Instant due) const {
    return due == kNever ? due : std::max(due, client_frozen_until_);
  }
  [[nodiscard]] Instant at_broker(Instant due) const {
    return due == kNever ? due : std::max(due, broker_frozen_until_);
  }

  void step() {
    if (!wild()) broker_.calm_down();
    Instant due = std::min(at_client(session_.next_deadline()), at_client(caller_.deadline()));
    due = std::min(due, at_broker(broker_.deadline()));
    if (!link_) due = std::min(due, at_client(reopen_at_));
    if (wild()) due = std::min({due, next_fault_, messages_left_ > 0 ? at_broker(next_message_) : kNever});
    for (const Link& each : links_) {
      if (each.broker_open) due = std::min(due, at_broker(std::min(each.up.due(), each.broker_told)));
      if (each.client_open) due = std::min(due, at_client(std::min(each.down.due(), each.client_told)));
    }
    require(due != kNever, "nothing is going to happen any more");
    now_ = trace_.now = std::max(now_, due);
    check_keepalive();
    links();
    if (at_broker(broker_.deadline()) <= now_) broker_.on_timer(now_);
    if (wild() && next_fault_ <= now_) fault();
    if (messages_left_ > 0 && at_broker(next_message_) <= now_) message();
    if (now_ < client_frozen_until_) return;
    if (session_.next_deadline() <= now_) {
      session_.on_timer(now_, effects_);
      settle();
    }
    if (caller_.deadline() <= now_) {
      caller_.on_timer(now_, effects_);
      settle();
    }
    if (!link_ && reopen_at_ <= now_) open();
  }

  void links() {
    for (auto at = links_.begin(); at != links_.end();) {
      Link& each = *at;
      if (each.broker_open && now_ >= broker_frozen_until_) {
        if (each.up.due() <= now_)
          broker_.receive(each, each.up.take(), now_);
        else if (each.broker_told <= now_) {
          each.broker_open = false;
          broker_.closed(each, now_);
        }
      }
      if (each.client_open && now_ >= client_frozen_until_) {
        if (each.down.due() <= now_)
          receive(each.down.take());
        else if (each.client_told <= now_) {
          each.client_open = false;
          each.broker_told = std::min(each.broker_told, now_ + traits_.latency_max);
          trace_.line(each.number, "> session", [] { return "the connection is closed"; });
          session_.on_transport_closed(now_, effects_);
          settle();
        }
      }
      at = each.client_open || each.broker_open ? std::next(at) : links_.erase(at);
    }
  }

  void open() {
    if (broker_down_until_ > now_) {
      reopen_at_ = now_ + milliseconds(200);
      return;
    }
    link_ = &links_.emplace_back();
    link_->number = ++links_made_;
    broker_.open(*link_);
    watch_.on_open(link_->number);
    heard_ = said_ = now_;
    session_.on_transport_open(now_, effects_);
    settle();
  }

  void receive(const std::string& bytes) {
    trace_.bytes(bytes);
    heard_ = now_;
    watch_.on_delivered(bytes);
    session_.on_bytes(bytes, now_, effects_);
    settle();
  }

  void on_event(const SessionEvent& event) {
    trace_.bytes(std::string(1, static_cast<char>(event.index())));
    if (const auto* warning = std::get_if<Warning>(&event))
      trace_.line(0, "session", [&] { return "warns: " + warning->text; });
    if (const auto* completed = std::get_if<PublishCompleted>(&event))
      trace_.line(0, "session", [&] {
        return "completes " + std::to_string(completed->token) + (completed->taken ? ": taken " : ": not taken ") +
               std::string(completed->note);
      });
    if (const auto* disconnected = std::get_if<Disconnected>(&event)) {
      trace_.line(0, "session", [&] { return "disconnected: " + disconnected->reason; });
      gone(blames(*disconnected), false);
    }
    if (const auto* failed = std::get_if<ConnectFailed>(&event)) {
      trace_.line(0, "session", [&] { return "did not connect: " + failed->reason; });
      gone(false, failed->retry_at_once);
    }
    watch_.on_event(event);
    caller_.on_event(event, now_, effects_);
  }

  void gone(bool blamed, bool at_once) {
    require(!closing_, "the end of a connection was told twice");
    closing_ = true;
    watch_.on_closed(blamed);
    caller_.on_closed();
    reopen_at_ = at_once ? now_ : now_ + dice_.between(milliseconds(1), seconds(2));
  }

  /// Handles what the session has said.
  void settle() {
    for (std::size_t i = 0; i < effects_.events.size(); ++i) {
      const SessionEvent event = effects_.events[i];  // a copy: the caller's commands may add to the buffer
      on_event(event);
    }
    if (!effects_.output.empty()) {
      said_ = now_;
      trace_.bytes(effects_.output);
      watch_.on_output(effects_.output);
      if (link_ && link_->client_open) link_->up.write(effects_.output, now_, traits_, dice_);
    }
    effects_.clear();
    watch_.check_settled();
    if (!closing_) return;
    closing_ = false;
    if (link_->client_open) link_->close_by_client(now_ + dice_.between(Duration::zero(), traits_.latency_max));
    link_ = nullptr;
  }

  /// MQTT 5 section 3.1.2.10: we are never silent for longer than the keep-alive; and a broker that is silent for one
  /// and a half of it is given up.
  void check_keepalive() const {
    const Duration interval = seconds(session_.broker().keepalive_s);
    if (!session_.connected() || interval == Duration::zero() || now_ < client_frozen_until_) return;
    require(now_ - std::max(said_, client_frozen_until_) <= interval, "silent for longer than the keep-alive");
    require(now_ - std::max(heard_, client_frozen_until_) <= interval * 3 / 2, "a dead broker was not noticed");
  }

  void message() {
    --messages_left_;
    next_message_ = now_ + dice_.between(Duration::zero(), traits_.spacing_max);
    broker_.publish_of_others(now_);
  }

  // --- what goes wrong ---

  void plan_fault() {
    if (faults_left_ == 0)
      next_fault_ = kNever;
    else
      next_fault_ = now_ + dice_.between(Duration::zero(), traits_.faults_every * 2);
  }

  void fault() {
    --faults_left_;
    plan_fault();
    const std::size_t what = dice_.below(100);
    if (what < 50) {
      cut();
    } else if (what < 60) {
      broker_down_until_ = now_ + dice_.between(Duration::zero(), seconds(3));
      broker_.restart(dice_.chance(70), now_);
    } else if (what < 70) {
      broker_.end_connection(dice_.pick<std::uint8_t>({0x80, 0x89, 0x8B, 0x8E, 0x97, 0x98}), now_);
    } else if (what < 82) {
      const Duration pause = dice_.between(milliseconds(100), seconds(40));
      trace_.line(0, "broker", [] { return "stands still"; });
      broker_frozen_until_ = std::max(broker_frozen_until_, now_ + pause);
    } else if (what < 94) {
      if (!traits_.jumps) return;
      trace_.line(0, "caller", [] { return "stands still"; });
      client_frozen_until_ = std::max(client_frozen_until_, now_ + dice_.between(milliseconds(100), seconds(90)));
    } else if (link_ && now_ >= client_frozen_until_) {
      trace_.line(link_->number, "caller", [] { return "disconnects"; });
      session_.disconnect(ReasonCode::success, now_, effects_);
      settle();
    }
  }

  void cut() {
    if (!link_ || !link_->client_open) return;
    trace_.line(link_->number, "network", [] { return "the connection is cut"; });
    link_->up.break_after(dice_.below(link_->up.under_way() + 1));
    link_->down.break_after(dice_.below(link_->down.under_way() + 1));
    // Whoever hears nothing has only the keep-alive to tell.
    const auto told = [&] {
      if (dice_.chance(20)) return now_ + seconds(100);
      return now_ + dice_.between(Duration::zero(), std::max<Duration>(traits_.latency_max, milliseconds(1)));
    };
    link_->client_told = std::min(link_->client_told, told());
    link_->broker_told = std::min(link_->broker_told, told());
  }

  Dice dice_;
  Traits traits_;
  Trace trace_;
  Ledger ledger_;
  WireWatch watch_;
  Session session_;
  Broker broker_;
  Caller caller_;
  Effects effects_;
  std::list<Link> links_;
  Link* link_ = nullptr;  // ours
  std::size_t links_made_ = 0;
  bool closing_ = false;
  Instant now_{std::chrono::hours(1)};
  Instant heard_{};  // when bytes came, and went, last
  Instant said_{};
  Instant reopen_at_{};
  Instant next_message_{};
  Instant next_fault_{};
  Instant client_frozen_until_{};
  Instant broker_frozen_until_{};
  Instant broker_down_until_{};
  std::size_t messages_left_ = 0;
  std::size_t faults_left_ = 0;
};

}  // namespace

Outcome simulate(std::uint64_t seed, bool printing) { return Simulation(seed, printing).run(); }

}  // namespace famemely::mqtt::simulator
