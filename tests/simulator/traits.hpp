#pragma once

#include "dice.hpp"
#include "protocol/mqtt/session_options.hpp"

namespace famemely::mqtt::simulator {

/// What one run is like: drawn from its seed before it begins.
struct Traits {
  SessionOptions session{};

  // The broker.
  bool broker_5 = true;
  bool broker_3_1_1 = true;
  enum class Refusal : std::uint8_t { code_5, code_3_1_1, close };
  Refusal refusal = Refusal::code_5;  // of a version that it does not speak
  bool limits_change = false;         // from connection to connection
  bool delivers_at_pubrel = false;    // QoS 2: at PUBREL, else at PUBLISH
  bool answers_in_order = true;
  bool pubacks_qos_2 = false;       // treats QoS 2 as QoS 1
  bool overshoots = false;          // sends beyond our Receive Maximum
  bool repeats_answers = false;     // now and then, which no session should mind
  bool restores_snapshots = false;  // after a restart the session may be as it was some time before
  bool one_copy = false;            // for overlapping subscriptions, with all identifiers
  bool holds_old_session = false;   // of a process before this one
  bool refuses_with_codes = false;  // CONNACK 0x88 and the like
  Duration answer_delay_max{};
  std::size_t quota_exceeded_percent = 0;
  std::size_t subscribe_refused_percent = 0;
  std::size_t id_space = 65'535;  // of the packet identifiers that it hands out
  std::size_t last_id = 0;        // before the first
  std::size_t large_message_percent = 0;
  std::size_t publishers_fault_percent = 0;  // what others do wrong, and it passes on

  // The network.
  Duration latency_max{};
  std::size_t piece_bytes_max = 0;  // 0: packets arrive as they were written
  Duration faults_every{};          // on average; zero: none
  bool jumps = false;               // of the caller's time

  // The caller.
  std::size_t publishes = 0;
  std::size_t messages = 0;  // from others
  Duration spacing_max{};    // between two actions of one kind
  Duration hand_over_max{};  // until a message is acknowledged
  bool acknowledges_in_order = false;
  bool properties = false;
};

[[nodiscard]] Traits draw_traits(Dice& dice);
[[nodiscard]] std::string describe(const Traits& traits);

}  // namespace famemely::mqtt::simulator
