#include "wire_watch.hpp"

#include <algorithm>
#include <utility>

namespace famemely::mqtt::simulator {
namespace {

constexpr std::uint8_t kIdNotFound = 0x92;

/// What its publisher did wrong is not for the caller.
bool is_passed_over(const WirePacket& publish) {
  const std::string& topic = publish.topic;
  return topic.empty() || topic == kNoText || topic.ends_with('+') || topic.ends_with('\0') ||
         publish.properties.content_type == kNoText;
}

}  // namespace

// --- connections ---

void WireWatch::on_open(std::size_t link) {
  doubtful_ = doubtful_ || (link_ != 0 && !connack_came_ && !refused_);
  link_ = link;
  refused_ = false;
  connack_came_ = accepted_ = ended_ = false;
  connect_ = {};
  given_.clear();
  skip_left_ = 0;
  aliases_.clear();
  untold_.clear();
  arrivals_.clear();
  answered_ = 0;
  pubcomps_due_.clear();
  last_number_ = last_number_0_ = last_release_ = 0;
  std::erase_if(used_, [](const auto& each) { return each.second.kind == Used::Kind::request; });
}

void WireWatch::on_closed(bool blamed) {
  ended_ = true;
  for (const auto& [id, used] : used_) {
    if (used.kind != Used::Kind::publish) continue;
    Outgoing& message = ledger_.outgoing[used.number];
    if (blamed && used.sent_on == link_) ++message.drops;
  }
}

// --- what the session is given ---

void WireWatch::on_delivered(std::string_view bytes) {
  given_ += bytes;
  while (!ended_) {
    const std::size_t skipped = std::min(skip_left_, given_.size());
    given_.erase(0, skipped);
    skip_left_ -= skipped;
    if (skip_left_ > 0) return;
    // What is over our limit is judged by its head, and the rest of it read past.
    const std::size_t before = given_.size();
    if (connect_.version == ProtocolVersion::v3_1_1) {
      if (const auto large = take_head_of_large(given_, traits_.session.packet_bytes_max)) {
        trace_.line(link_, "> session", [&] { return "the head of " + describe(*large); });
        skip_left_ = large->bytes - (before - given_.size());
        given_publish(*large);
        continue;
      }
    }
    const auto packet = take_packet(given_, connect_.version);
    if (!packet) return;
    trace_.line(link_, "> session", [&] { return describe(*packet); });
    given(*packet);
  }
}

void WireWatch::given_connack(const WirePacket& connack) {
  const bool is_5 = connect_.version == ProtocolVersion::v5;
  if (connack.code == 0x84 || connack.code == 1) refused_5_ = refused_5_ || is_5;
  refused_ = connack.code != 0;
  if (refused_) return;
  connack_came_ = true;
  ++connection_;
  last_new_id_ = 0;
  ever_accepted_5_ = ever_accepted_5_ || is_5;
  const std::size_t losses = ledger_.losses_at_connack[link_];
  if (!connack.session_present) {
    ++epoch_;
    used_.clear();
    exchanges_.clear();
    ended_exchanges_.clear();
    releases_ = 0;
  } else if (losses != known_losses_ || (ledger_.went_back && doubtful_)) {
    // The broker lost the session, or went back, and said so in a CONNACK that never came.
    for (auto& [id, exchange] : exchanges_) {
      exchange.of_lost_session = true;
      exchange.doubtful = doubtful_;
    }
  }
  known_losses_ = losses;
  doubtful_ = false;
}

void WireWatch::given(const WirePacket& packet) {
  switch (packet.type) {
    case PacketType::connack:
      return given_connack(packet);
    case PacketType::publish:
      return given_publish(packet);
    case PacketType::puback:
    case PacketType::pubcomp:
      used_.erase(packet.packet_id);
      return;
    case PacketType::pubrec: {
      const auto found = used_.find(packet.packet_id);
      if (found == used_.end()) return;
      if (packet.code >= 0x80)
        used_.erase(found);
      else if (found->second.released == 0)
        found->second.released = ++releases_;
      return;
    }
    case PacketType::pubrel: {
      WirePacket due{.type = PacketType::pubcomp, .packet_id = packet.packet_id, .code = kIdNotFound};
      if (const auto found = exchanges_.find(packet.packet_id); found != exchanges_.end()) {
        if (found->second.answered) due.code = 0;
        ended_exchanges_[packet.packet_id] = {found->second.contents, connection_};
        exchanges_.erase(found);
      }
      for (Arrival& each : arrivals_)
        if (each.qos == 2 && each.packet_id == packet.packet_id) each.over = true;
      pubcomps_due_.push_back(std::move(due));
      return;
    }
    case PacketType::suback:
    case PacketType::unsuback:
      used_.erase(packet.packet_id);
      return;
    case PacketType::disconnect:
      ended_ = true;
      doubtful_ = doubtful_ || packet.code == 0x8E;
      return;
    default:
      return;
  }
}

/// What tells a message of QoS 2 from others. Of one that is too large there is the head alone.
std::string WireWatch::contents_of(const WirePacket& publish) const {
  if (publish.bytes > traits_.session.packet_bytes_max) return publish.topic + ' ' + std::to_string(publish.bytes);
  return std::to_string(Ledger::number_in(publish.payload, ledger_.incoming.size()));
}

void WireWatch::given_publish(const WirePacket& packet) {
  WirePacket resolved = packet;
  if (packet.alias != 0) {
    if (packet.topic.empty())
      resolved.topic = aliases_[packet.alias];
    else
      aliases_[packet.alias] = packet.topic;
  }
  // What is over our limit, or passed over, is acknowledged without asking the caller.
  const bool passed_over = is_passed_over(resolved);
  const bool unasked = passed_over || packet.bytes > traits_.session.packet_bytes_max;
  bool tell = true;
  if (packet.qos > 0 && !packet.dup) {
    ids_in_turn_ = ids_in_turn_ && (packet.packet_id > last_new_id_ || last_new_id_ >= kLastIds);
    last_new_id_ = packet.packet_id;
  }
  if (packet.qos == 1) arrivals_.push_back({packet.packet_id, 1, 0, unasked});
  if (packet.qos == 2) {
    auto [found, fresh] = exchanges_.try_emplace(packet.packet_id);
    const bool is_here = std::any_of(arrivals_.begin(), arrivals_.end(), [&](const Arrival& each) {
      return each.qos == 2 && each.packet_id == packet.packet_id && !each.over;
    });
    // With other contents it is another message, of a broker that has lost the session or gone back.
    const std::string contents = contents_of(resolved);
    const bool other = found->second.contents != contents && !is_here;
    // Without DUP it is one as well, if the session has heard that it may be.
    const bool of_lost_session = std::exchange(found->second.of_lost_session, false);
    if (!fresh && (other || (of_lost_session && found->second.doubtful && !packet.dup))) {
      found->second = {};
      fresh = true;
    }
    const auto ended = ended_exchanges_.find(packet.packet_id);
    const bool ended_before = fresh && packet.dup && ids_in_turn_ && ended != ended_exchanges_.end() &&
                              ended->second.contents == contents && ended->second.connection != connection_;
    found->second.contents = contents;
    if (unasked || ended_before) found->second.acknowledged = true;
    tell = fresh && !ended_before;
    arrivals_.push_back({packet.packet_id, 2, found->second.handle, found->second.acknowledged});
  }
  if (tell && !passed_over) untold_.push_back(std::move(resolved));
}

// --- what it tells the caller ---

void WireWatch::on_event(const SessionEvent& event) {
  if (const auto* message = std::get_if<MessageReceived>(&event)) told(*message);
  if (const auto* large = std::get_if<MessageTooLarge>(&event)) told(*large);
  if (const auto* completed = std::get_if<PublishCompleted>(&event)) told(*completed);
  if (std::holds_alternative<Connected>(event)) {
    require(connack_came_ && !accepted_, "Connected without a CONNACK");
    accepted_ = ever_accepted_ = true;
  }
}

void WireWatch::told(const MessageReceived& message) {
  require(!untold_.empty(), "a message was told that did not come");
  WirePacket wire = std::move(untold_.front());
  untold_.pop_front();
  auto& response_topic = wire.properties.response_topic;
  if (response_topic && response_topic->ends_with('#')) response_topic.reset();  // it means nothing
  const std::size_t number = Ledger::number_in(wire.payload, ledger_.incoming.size());
  std::vector<std::uint32_t> identifiers;
  for (std::uint32_t identifier : message.subscription_identifiers) identifiers.push_back(identifier);
  require(message.topic == wire.topic && message.payload == wire.payload && message.qos == wire.qos &&
              message.dup == wire.dup && message.retain == wire.retain && identifiers == wire.identifiers &&
              message.properties.copy() == wire.properties,
          "told otherwise than it came, or out of order: message", number);
  Incoming& known = ledger_.incoming[number];
  require(wire.topic == known.topic && wire.payload == Ledger::payload_of(number, known.payload_bytes),
          "the alias of another topic: message", number);
  if (known.received++ > 0 && !ledger_.went_back) require(message.dup, "a second copy without DUP: message", number);
  if (message.qos == 0) return;
  const auto arrival = std::find_if(arrivals_.begin(), arrivals_.end(), [&](const Arrival& each) {
    return each.packet_id == wire.packet_id && each.handle == 0 && !each.acknowledged && each.qos == message.qos;
  });
  require(arrival != arrivals_.end() && message.acknowledgement != 0, "a message without its arrival", number);
  arrival->handle = message.acknowledgement;
  if (message.qos == 2) exchanges_[wire.packet_id].handle = message.acknowledgement;
}

void WireWatch::told(const MessageTooLarge& message) {
  require(!untold_.empty(), "a large message was told that did not come");
  const WirePacket wire = std::move(untold_.front());
  untold_.pop_front();
  require(message.topic == wire.topic && message.packet_bytes == wire.bytes && message.qos == wire.qos,
          "a large message was told otherwise than it came");
}

void WireWatch::told(const PublishCompleted& completed) {
  require(completed.token < ledger_.outgoing.size(), "a publish completed that nobody asked for");
  Outgoing& message = ledger_.outgoing[completed.token];
  require(message.completions++ == 0, "completed twice: our message", completed.token);
  message.taken = completed.taken;
  message.code = static_cast<std::uint8_t>(completed.code);
  message.note = completed.note;
  message.losses_after = ledger_.session_losses;
  if (completed.note == kGivenUp) require(message.drops >= 3, "given up too early: our message", completed.token);
  for (auto at = used_.begin(); at != used_.end(); ++at) {
    if (at->second.kind != Used::Kind::publish || at->second.number != completed.token) continue;
    if (message.qos == 2 && !completed.taken)
      at->second.given_up = true;
    else
      used_.erase(at);
    break;
  }
}

void WireWatch::on_acknowledged(AcknowledgementHandle handle) {
  for (Arrival& each : arrivals_)
    if (each.handle == handle) each.acknowledged = true;
  for (auto& [id, exchange] : exchanges_)
    if (exchange.handle == handle) exchange.acknowledged = true;
}

// --- what it writes ---

void WireWatch::on_output(std::string_view bytes) {
  std::string stream(bytes);
  while (const auto packet = take_packet(stream, connect_.version)) {
    trace_.line(link_, "session >", [&] { return describe(*packet); });
    wrote(*packet);
  }
  require(stream.empty(), "a part of a packet was written");
}

void WireWatch::wrote(const WirePacket& packet) {
  require((packet.type == PacketType::connect) == (connect_.type != PacketType::connect), "CONNECT is not the first");
  if (packet.type == PacketType::connect) return wrote_connect(packet);
  require(connack_came_ || packet.type == PacketType::disconnect, "a packet before CONNACK");
  switch (packet.type) {
    case PacketType::publish:
      return wrote_publish(packet);
    case PacketType::pubrel:
      return wrote_pubrel(packet);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubcomp:
      return wrote_ack(packet);
    case PacketType::subscribe:
    case PacketType::unsubscribe:
      require(used_.emplace(packet.packet_id, Used{.kind = Used::Kind::request}).second,
              "a request with an identifier that is in use", packet.packet_id);
      return;
    default:
      return;
  }
}

void WireWatch::wrote_connect(const WirePacket& packet) {
  connect_ = packet;
  require(!packet.clean || !ever_accepted_ || traits_.session.session_expiry_s == 0,
          "the session was given up that should have been resumed");
  const bool fell_back =
      packet.version == ProtocolVersion::v3_1_1 && traits_.session.version == VersionChoice::automatic;
  require(!fell_back || !ever_accepted_5_ || refused_5_, "3.1.1 though 5 was accepted and never refused");
}

void WireWatch::wrote_publish(const WirePacket& packet) {
  const std::size_t number = Ledger::number_in(packet.payload, ledger_.outgoing.size());
  std::size_t& last = packet.qos == 0 ? last_number_0_ : last_number_;
  require(number >= last, "out of order, or twice on one connection: our message", number);
  last = number + 1;
  if (packet.qos == 0) return;
  Outgoing& message = ledger_.outgoing[number];
  const bool known = message.sent_in_epoch == epoch_;
  require(packet.dup == known, known ? "sent again without DUP: our message" : "DUP on a first sending: our message",
          number);
  message.sent_in_epoch = epoch_;
  const auto [found, fresh] = used_.try_emplace(packet.packet_id, Used{.kind = Used::Kind::publish, .number = number});
  Used& used = found->second;
  require(fresh || (used.kind == Used::Kind::publish && used.number == number && !used.given_up),
          "a PUBLISH with an identifier that is in use", packet.packet_id);
  require(fresh != known, "sent again with another identifier: our message", number);
  require(used.released == 0, "PUBLISH after its PUBREC: our message", number);
  require(used.sent_on != link_, "sent twice on one connection: our message", number);
  used.sent_on = link_;
}

void WireWatch::wrote_pubrel(const WirePacket& packet) {
  const auto found = used_.find(packet.packet_id);
  if (packet.code == kIdNotFound || (found != used_.end() && found->second.given_up)) return;
  require(found != used_.end() && found->second.released > 0, "PUBREL without a PUBREC, packet", packet.packet_id);
  // To a repeated PUBREC.
  if (traits_.repeats_answers && found->second.pubrel_on == link_) return;
  // Section 4.6: in the order in which the PUBRECs came.
  require(found->second.released > last_release_, "PUBREL out of order, packet", packet.packet_id);
  last_release_ = found->second.released;
  found->second.sent_on = found->second.pubrel_on = link_;
}

std::size_t WireWatch::next_arrival() const {
  while (answered_ < arrivals_.size() && arrivals_[answered_].over) ++answered_;
  return answered_;
}

void WireWatch::wrote_ack(const WirePacket& packet) {
  if (packet.type == PacketType::pubcomp) {
    require(!pubcomps_due_.empty() && pubcomps_due_.front().packet_id == packet.packet_id, "PUBCOMP that is not due");
    const std::uint8_t code = connect_.version == ProtocolVersion::v5 ? pubcomps_due_.front().code : std::uint8_t{0};
    require(packet.code == code, "PUBCOMP with the wrong code");
    pubcomps_due_.pop_front();
    return;
  }
  require(packet.code < 0x80, "an acknowledgement that refuses");
  const std::size_t next = next_arrival();
  const std::uint8_t qos = packet.type == PacketType::puback ? 1 : 2;
  require(next < arrivals_.size() && arrivals_[next].packet_id == packet.packet_id && arrivals_[next].qos == qos,
          "an acknowledgement out of the order of arrival, packet", packet.packet_id);
  require(arrivals_[next].acknowledged, "an acknowledgement before the caller's, packet", packet.packet_id);
  if (qos == 2) exchanges_[packet.packet_id].answered = true;
  ++answered_;
}

// --- balances ---

void WireWatch::check_settled() const {
  if (ended_ || !accepted_) return;
  require(untold_.empty(), "a message came and was not told");
  require(pubcomps_due_.empty(), "a PUBREL was not answered");
  const std::size_t next = next_arrival();
  require(next == arrivals_.size() || !arrivals_[next].acknowledged, "an acknowledgement was withheld");
}

std::size_t WireWatch::retired() const {
  return static_cast<std::size_t>(
      std::count_if(used_.begin(), used_.end(), [](const auto& each) { return each.second.given_up; }));
}

}  // namespace famemely::mqtt::simulator
