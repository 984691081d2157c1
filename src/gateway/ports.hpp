#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "gateway/subscription_index.hpp"
#include "protocol/mqtt/properties.hpp"
#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"
#include "protocol/socketio/encoder.hpp"

/// What crosses between the workers and the link. Everything here is moved or immutable.
namespace famemely::gateway {

/// A request of one worker to the link, counted up by that worker.
using RequestId = std::uint64_t;
using WorkerIndex = std::uint8_t;
/// Workers are told apart by one bit each.
inline constexpr std::size_t kWorkersMax = 64;

/// What somebody wants published.
struct OutgoingMessage {
  mqtt::TopicName topic;
  std::string payload;
  std::uint8_t qos = 0;
  bool retain = false;
  mqtt::PublishProperties properties{};
  /// True if the client itself set properties: a broker of version 3.1.1 then can't take the message.
  bool properties_asked = false;
};

// --- from a worker to the link ---

/// Hold this filter upstream, at this quality of service at least. Answered by a SubscribeAnswer.
struct SubscribeCommand {
  WorkerIndex worker;
  RequestId request;
  mqtt::TopicFilter filter;
  std::uint8_t qos;
};
/// No client of this worker holds the filter any more.
struct ReleaseCommand {
  WorkerIndex worker;
  FilterId filter;
};
/// Answered by a PublishAnswer.
struct PublishCommand {
  WorkerIndex worker;
  RequestId request;
  OutgoingMessage message;
};
using LinkCommand = std::variant<SubscribeCommand, ReleaseCommand, PublishCommand>;

// --- from the link to a worker ---

/// All filters that match one topic: shared by every message on it.
using MatchList = std::shared_ptr<const std::vector<FilterId>>;

/// A message for whoever holds one of the filters.
struct Delivery {
  socketio::Frame frame;  // encoded for a receiver at `qos`
  MatchList filters;
  std::uint32_t qos_place;  // where in the frame's bytes the digit of `qos` stands
  std::uint8_t qos;
};
struct Granted {
  FilterId filter;
  std::uint8_t qos;
};
struct SubscribeAnswer {
  RequestId request;
  Result<Granted, Error> outcome;
};
struct PublishAnswer {
  RequestId request;
  std::optional<Error> error;  // nothing: the broker has taken it
};
/// The broker has refused, later, what it had granted: whoever holds the filter loses it.
struct FilterLost {
  FilterId filter;
  Error error;
};
/// The connection to the broker, as `mqtt:status` and `GET /mqtt/status` tell it.
struct LinkStatus {
  bool is_connected = false;
  std::string client_id;
  std::optional<WallTime> connected_at{};
  std::uint32_t reconnect_attempts = 0;
  std::string last_error{};

  bool operator==(const LinkStatus&) const = default;
};
using WorkerEvent = std::variant<Delivery, SubscribeAnswer, PublishAnswer, FilterLost, LinkStatus>;

/// About the bytes that an item holds: what bounds the queues between threads.
[[nodiscard]] std::size_t weight(const LinkCommand& command);
[[nodiscard]] std::size_t weight(const WorkerEvent& event);

}  // namespace famemely::gateway
