#include "traits.hpp"

namespace famemely::mqtt::simulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void draw_session(Dice& dice, SessionOptions& session) {
  session.version = dice.pick({VersionChoice::automatic, VersionChoice::only_5, VersionChoice::only_3_1_1});
  session.keepalive_s = dice.pick<std::uint16_t>({0, 2, 10, 30});
  session.connack_timeout = dice.pick<Duration>({seconds(2), seconds(30)});
  session.clean_start_first = dice.chance(70);
  session.session_expiry_s = dice.pick<std::uint32_t>({0, 20, 3600, 3600, 3600});
  // Without a client id there is no session of 3.1.1 that could outlive its connection.
  const bool may_be_assigned = session.version == VersionChoice::only_5 || session.session_expiry_s == 0;
  session.client_id = may_be_assigned && dice.chance(20) ? "" : "us";
  session.receive_maximum = dice.pick<std::uint16_t>({1, 2, 7, 100, 65'535});
  session.topic_alias_maximum = dice.pick<std::uint16_t>({0, 1, 4, 64});
  session.packet_bytes_max = dice.pick<std::size_t>({300, 1'000'000});
  session.outbound_topic_aliases_max = dice.pick<std::uint16_t>({0, 2, 64});
  session.in_flight_max = dice.pick<std::uint16_t>({1, 5, 65'535});
  session.in_flight_bytes_max = dice.pick<std::size_t>({50, 2'000, 64UZ << 20});
  session.queued_publishes_max = dice.pick<std::size_t>({3, 10'000, 10'000});
  session.queued_bytes_max = dice.pick<std::size_t>({300, 64UZ << 20, 64UZ << 20});
}

void draw_broker(Dice& dice, Traits& traits) {
  switch (traits.session.version) {
    case VersionChoice::automatic:
      traits.broker_5 = dice.chance(60);
      traits.broker_3_1_1 = !traits.broker_5 || dice.chance(70);
      break;
    case VersionChoice::only_5:
      traits.broker_3_1_1 = false;
      break;
    case VersionChoice::only_3_1_1:
      traits.broker_5 = false;
      break;
  }
  traits.refusal = dice.pick({Traits::Refusal::code_5, Traits::Refusal::code_3_1_1, Traits::Refusal::close});
  traits.limits_change = dice.chance(30);
  traits.delivers_at_pubrel = dice.chance(50);
  traits.answers_in_order = dice.chance(60);
  traits.pubacks_qos_2 = dice.chance(8);
  traits.overshoots = dice.chance(10);
  traits.repeats_answers = dice.chance(10);
  traits.restores_snapshots = dice.chance(8);
  traits.one_copy = dice.chance(50);
  traits.holds_old_session = dice.chance(25);
  traits.refuses_with_codes = dice.chance(20);
  traits.answer_delay_max = dice.pick<Duration>({milliseconds(0), milliseconds(20), seconds(3)});
  traits.quota_exceeded_percent = dice.pick<std::size_t>({0, 0, 0, 10, 50});
  traits.subscribe_refused_percent = dice.pick<std::size_t>({0, 0, 10});
  traits.id_space = dice.pick<std::size_t>({3, 40, 65'535});
  if (traits.id_space == 65'535 && dice.chance(50)) traits.last_id = 65'520;
  traits.large_message_percent = dice.pick<std::size_t>({0, 0, 5});
  traits.publishers_fault_percent = dice.pick<std::size_t>({0, 0, 15});
}

}  // namespace

Traits draw_traits(Dice& dice) {
  Traits traits;
  draw_session(dice, traits.session);
  draw_broker(dice, traits);
  traits.latency_max = dice.pick<Duration>({milliseconds(0), milliseconds(5), milliseconds(800)});
  traits.piece_bytes_max = dice.pick<std::size_t>({0, 1, 10, 100});
  traits.faults_every =
      dice.pick<Duration>({milliseconds(0), milliseconds(15), milliseconds(300), seconds(3), seconds(30)});
  traits.jumps = dice.chance(20);
  traits.publishes = dice.between(0, dice.chance(10) ? 150 : 40);
  traits.messages = dice.between(0, dice.chance(10) ? 150 : 40);
  traits.spacing_max = dice.pick<Duration>({milliseconds(1), milliseconds(100), seconds(5)});
  traits.hand_over_max = dice.pick<Duration>({milliseconds(0), milliseconds(50), seconds(4)});
  traits.acknowledges_in_order = dice.chance(40);
  traits.properties = traits.session.version != VersionChoice::only_3_1_1 && dice.chance(50);
  return traits;
}

std::string describe(const Traits& traits) {
  const auto ms = [](Duration duration) {
    return std::to_string(std::chrono::duration_cast<milliseconds>(duration).count()) + " ms";
  };
  const SessionOptions& session = traits.session;
  static constexpr const char* kChoices[] = {"auto", "5", "3.1.1"};
  std::string text =
      std::string("session: version ") + kChoices[static_cast<std::size_t>(session.version)] + ", keep-alive " +
      std::to_string(session.keepalive_s) + " s, clean start " + (session.clean_start_first ? "yes" : "no") +
      ", expiry " + std::to_string(session.session_expiry_s) + " s, Receive Maximum " +
      std::to_string(session.receive_maximum) + ", in flight at most " + std::to_string(session.in_flight_max) +
      "\nbroker: " + (traits.broker_5 ? "5 " : "") + (traits.broker_3_1_1 ? "3.1.1" : "") + ", answers within " +
      ms(traits.answer_delay_max) + (traits.answers_in_order ? "" : " in any order") +
      (traits.delivers_at_pubrel ? ", QoS 2 delivered at PUBREL" : ", QoS 2 delivered at PUBLISH") +
      (traits.pubacks_qos_2 ? ", PUBACK to QoS 2" : "") + (traits.overshoots ? ", beyond our Receive Maximum" : "") +
      (traits.repeats_answers ? ", answers repeated" : "") +
      (traits.restores_snapshots ? ", restored from snapshots" : "") +
      (traits.publishers_fault_percent > 0 ? ", publishers' faults passed on" : "") +

      "\nnetwork: latency up to " + ms(traits.latency_max) + ", pieces of up to " +
      std::to_string(traits.piece_bytes_max) + " bytes, a fault every " + ms(traits.faults_every) +
      "\ncaller: " + std::to_string(traits.publishes) + " publishes, " + std::to_string(traits.messages) +
      " messages of others, hand-over within " + ms(traits.hand_over_max) +
      (traits.acknowledges_in_order ? " in order" : " in any order");
  return text;
}

}  // namespace famemely::mqtt::simulator
