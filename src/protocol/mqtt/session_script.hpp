#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/mqtt/session.hpp"
#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt::testing {

/// Drives a session by a script of packets: what the tests of the session share.
class SessionScript {
 public:
  explicit SessionScript(SessionOptions options = {.client_id = "id", .version = VersionChoice::only_5})
      : session(std::move(options)) {}

  /// The output since the last call, in hexadecimal.
  std::string sent() { return hex(std::exchange(effects.output, {})); }
  void receive(std::string_view written) {
    received.push_back(bytes(written));
    session.on_bytes(received.back(), now, effects);
  }
  void open() { session.on_transport_open(now, effects); }
  void drop() { session.on_transport_closed(now, effects); }
  /// Opens, is accepted with the given CONNACK, and forgets what was said.
  void connect(std::string_view connack = "20 03 00 00 00") {
    open();
    effects.clear();
    receive(connack);
    ASSERT_TRUE(session.connected());
  }
  void resume() { connect("20 03 01 00 00"); }
  void wait(Duration duration) { now += duration; }

  /// A message, or the text of its refusal.
  std::string publish(Token token, std::uint8_t qos, std::string_view payload = "x") {
    const auto outcome = session.publish(
        {.token = token, .topic = *TopicName::parse("t"), .payload = std::string(payload), .qos = qos}, now, effects);
    return outcome ? "" : std::to_string(outcome.error().status()) + " " + outcome.error().text();
  }

  /// The events of one kind, which are taken away with all others.
  template <typename Event>
  std::vector<Event> take() {
    std::vector<Event> found;
    for (const SessionEvent& event : effects.events)
      if (const auto* wanted = std::get_if<Event>(&event)) found.push_back(*wanted);
    effects.events.clear();
    return found;
  }
  /// Completed publishes as `1 taken`, `2 not taken, Not authorized`, `3 not taken, <note>`.
  std::vector<std::string> completed() {
    std::vector<std::string> texts;
    for (const PublishCompleted& each : take<PublishCompleted>()) {
      std::string text = std::to_string(each.token) + (each.taken ? " taken" : " not taken");
      if (is_failure(each.code) && each.note.empty()) text += ", " + std::string(name_of(each.code));
      if (!each.note.empty()) text += ", " + std::string(each.note);
      texts.push_back(text);
    }
    return texts;
  }
  /// Received messages as `topic payload`.
  std::vector<std::string> messages() {
    std::vector<std::string> texts;
    for (const MessageReceived& each : take<MessageReceived>()) {
      texts.push_back(std::string(each.topic) + " " + std::string(each.payload));
      handles.push_back(each.acknowledgement);
    }
    return texts;
  }
  void acknowledge(std::size_t which) { session.acknowledge(handles.at(which), now, effects); }

  Session session;
  Effects effects;
  Instant now{std::chrono::hours(1)};
  std::vector<AcknowledgementHandle> handles;  // of messages(), in order
  std::vector<std::string> received;           // keeps what views point into
};

using Texts = std::vector<std::string>;

}  // namespace famemely::mqtt::testing
