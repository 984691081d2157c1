#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/mqtt/topic_algebra.hpp"
#include "protocol/mqtt/topic_filter.hpp"

/// A model of a broker for the tests of overlapping filters: what it has for each client, packet by packet. All packets
/// are shorter than 128 bytes, and everything is granted.
namespace famemely::gateway::testing {

struct BrokerVariant {
  bool numbered = true;            // version 5, with subscription identifiers; else 3.1.1
  bool one_copy = false;           // for a client, with the identifiers of all filters that match
  bool fence_is_no_fence = false;  // a mutant: it comes back ahead of everything that is queued
};

inline void append_u16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xFF);
}

inline std::size_t u16_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[at])) << 8 | static_cast<std::uint8_t>(bytes[at + 1]);
}

/// A copy of a message on its way, or in flight.
struct Copy {
  std::size_t message;
  int qos;
  std::vector<std::uint32_t> numbers;
  std::size_t acks_before;  // answers that the broker had written to the client by then
  std::size_t packet_id = 0;
  bool released = false;  // QoS 2: PUBREC has come
  bool dup = false;
};

/// What the broker has of one client, and the wire between them.
struct BrokerClient {
  struct Subscription {
    mqtt::TopicFilter filter;
    int qos;
    std::uint32_t number;  // 0: none
  };
  std::map<std::string, Subscription> subscriptions;
  std::deque<std::string> from_link;  // packets, whole
  std::deque<std::string> answers;    // to the link: SUBACK and the like are written at once
  std::size_t answers_written = 0;
  std::size_t answers_read = 0;
  std::deque<Copy> queue_0;
  std::deque<Copy> queue_12;   // not yet sent
  std::deque<Copy> in_flight;  // sent, not acknowledged
  std::deque<Copy> resend;     // of those, to be sent again
  std::size_t last_packet_id = 0;

  void answer(std::string packet) {
    answers.push_back(std::move(packet));
    ++answers_written;
  }
  template <typename Queue>
  [[nodiscard]] bool ready(const Queue& queue) const {
    return !queue.empty() && queue.front().acks_before <= answers_read;
  }
  [[nodiscard]] bool quiet() const {
    return from_link.empty() && answers.empty() && queue_0.empty() && queue_12.empty() && resend.empty();
  }

  /// Copies for this client. How many there are.
  std::size_t enqueue(std::size_t message, std::string_view topic, int qos, bool ahead, const BrokerVariant& variant,
                      std::mt19937& random) {
    std::vector<const Subscription*> matching;
    for (const auto& [text, subscription] : subscriptions)
      if (mqtt::matches(subscription.filter, topic)) matching.push_back(&subscription);
    std::ranges::sort(matching, {}, &Subscription::number);
    std::vector<Copy> copies;
    for (std::size_t i = 0; i < matching.size(); ++i) {
      Copy copy{.message = message,
                .qos = std::min(qos, matching[i]->qos),
                .numbers = {matching[i]->number},
                .acks_before = answers_written};
      if (variant.one_copy && !copies.empty()) {
        copies.front().numbers.push_back(matching[i]->number);
        copies.front().qos = std::max(copies.front().qos, copy.qos);
      } else {
        copies.push_back(std::move(copy));
      }
    }
    std::ranges::shuffle(copies, random);
    for (const Copy& copy : copies) {
      auto& queue = copy.qos == 0 ? queue_0 : queue_12;
      ahead ? queue.push_front(copy) : queue.push_back(copy);
    }
    return copies.size();
  }

  /// SUBSCRIBE, UNSUBSCRIBE, and what acknowledges messages.
  void process(const std::string& packet, bool numbered) {
    switch (static_cast<std::uint8_t>(packet[0]) >> 4) {
      case 8:
        subscribe(packet, numbered);
        break;
      case 10: {
        const std::size_t head = numbered ? 5 : 4;
        subscriptions.erase(packet.substr(head + 2));
        answer(numbered ? "\xB0\x04" + packet.substr(2, 2) + std::string(2, '\0') : "\xB0\x02" + packet.substr(2, 2));
        break;
      }
      case 4:  // PUBACK
      case 7:  // PUBCOMP
        std::erase_if(in_flight, [&](const Copy& copy) { return copy.packet_id == u16_at(packet, 2); });
        break;
      case 5:  // PUBREC
        for (Copy& copy : in_flight)
          if (copy.packet_id == u16_at(packet, 2)) copy.released = true;
        answer("\x62\x02" + packet.substr(2, 2));
        break;
      default:
        break;
    }
  }

  void subscribe(const std::string& packet, bool numbered) {
    std::size_t at = 4;
    std::uint32_t number = 0;
    if (numbered) {
      const std::size_t properties = static_cast<std::uint8_t>(packet[4]);
      if (properties > 0) {
        number = static_cast<std::uint8_t>(packet[6]) & 0x7FU;
        if (packet[6] & 0x80) number |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(packet[7])) << 7;
      }
      at += 1 + properties;
    }
    std::string codes;
    while (at < packet.size()) {
      const std::size_t length = u16_at(packet, at);
      const std::string text = packet.substr(at + 2, length);
      const int qos = packet[at + 2 + length] & 3;
      subscriptions.insert_or_assign(text, Subscription{*mqtt::TopicFilter::parse(text), qos, number});
      codes += static_cast<char>(qos);
      at += length + 3;
    }
    const std::string body = packet.substr(2, 2) + (numbered ? std::string(1, '\0') : std::string()) + codes;
    answer("\x90" + std::string(1, static_cast<char>(body.size())) + body);
  }

  /// The PUBLISH packet of a copy.
  [[nodiscard]] static std::string encode(const Copy& copy, std::string_view topic, std::string_view payload,
                                          bool numbered) {
    std::string body;
    append_u16(body, topic.size());
    body += topic;
    if (copy.qos > 0) append_u16(body, copy.packet_id);
    if (numbered) {
      std::string properties;
      for (const std::uint32_t number : copy.numbers) {
        if (number == 0) continue;
        properties += '\x0B';
        if (number >= 128) properties += static_cast<char>((number & 0x7F) | 0x80);
        properties += static_cast<char>(number < 128 ? number : number >> 7);
      }
      body += static_cast<char>(properties.size());
      body += properties;
    }
    body += payload;
    std::string packet(1, static_cast<char>(0x30 | (copy.dup ? 8 : 0) | copy.qos << 1));
    packet += static_cast<char>(body.size());
    return packet + body;
  }
};

}  // namespace famemely::gateway::testing
