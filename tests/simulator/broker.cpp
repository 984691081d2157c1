#include "broker.hpp"

#include <algorithm>
#include <utility>

namespace famemely::mqtt::simulator {
namespace {

using std::chrono::seconds;

constexpr std::uint8_t kIdNotFound = 0x92;
constexpr std::uint8_t kQuotaExceeded = 0x97;
constexpr std::uint8_t kKeepAliveTimeout = 0x8D;
constexpr std::uint8_t kSessionTakenOver = 0x8E;

/// `a/#` and the like are all the wildcards that the caller uses.
bool matches(std::string_view filter, std::string_view topic) {
  if (!filter.ends_with('#')) return filter == topic;
  filter.remove_suffix(1);
  return topic.starts_with(filter);
}

}  // namespace

Duration Broker::patience(const Client& client) { return Duration(seconds(client.keepalive_s)) * 3 / 2; }

Broker::Broker(const Traits& traits, Dice& dice, Ledger& ledger, Trace& trace)
    : traits_(traits),
      dice_(dice),
      ledger_(ledger),
      trace_(trace),
      speaks_5_(traits.broker_5),
      speaks_3_1_1_(traits.broker_3_1_1) {
  ledger_.exactly_once = !traits.pubacks_qos_2;
  if (!traits.holds_old_session || traits.session.client_id.empty()) return;
  session_ = Session{};
  session_->expiry_s = 1'000'000;
  const bool foreign = traits_.session.clean_start_first || traits_.session.session_expiry_s == 0;
  for (int i = 0; i < 3; ++i) queue_copy("a/1", static_cast<std::uint8_t>(i % 2 + 1), {}, foreign, Instant{});
}

// --- connections ---

Broker::Client* Broker::client_of(std::size_t link) {
  const auto found =
      std::find_if(clients_.begin(), clients_.end(), [&](const Client& each) { return each.link->number == link; });
  return found == clients_.end() ? nullptr : &*found;
}

void Broker::open(Link& link) { clients_.push_back(Client{.link = &link}); }

void Broker::receive(Link& link, std::string_view bytes, Instant now) {
  Client* client = client_of(link.number);
  if (!client) return;
  client->heard = now;
  client->stream.append(bytes);
  while (auto packet = take_packet(client->stream, client->version)) {
    trace_.line(link.number, "> broker", [&] { return describe(*packet); });
    handle(*client, std::move(*packet), now);
    client = client_of(link.number);
    if (!client) return;
  }
}

void Broker::closed(Link& link, Instant now) {
  if (Client* client = client_of(link.number)) forget(*client, now);
}

void Broker::close(Client& client, Instant now) {
  client.link->close_by_broker(now + dice_.between(Duration::zero(), traits_.latency_max));
  forget(client, now);
}

void Broker::forget(Client& client, Instant now) {
  if (owner_ == &client) {
    owner_ = nullptr;
    for (Flight& each : session_->in_flight) each.on_link = each.counted = false;
    if (session_->expiry_s == 0)
      lose_session();
    else
      session_->expires = now + seconds(session_->expiry_s);
  }
  std::erase_if(answers_, [&](const auto& each) { return each.second.link == client.link->number; });
  clients_.remove_if([&](const Client& each) { return &each == &client; });
}

void Broker::lose_session() {
  for (std::size_t number : session_->queue) ledger_.incoming[number].lost = true;
  for (const Flight& each : session_->in_flight) ledger_.incoming[each.number].lost = true;
  session_.reset();
  snapshot_.reset();
  ++ledger_.session_losses;
  trace_.line(0, "broker", [] { return "loses the session"; });
}

void Broker::restart(bool keeps_session, Instant now) {
  trace_.line(0, "broker", [&] { return keeps_session ? "restarts" : "restarts without its sessions"; });
  while (!clients_.empty()) close(clients_.front(), now);
  if (session_ && !keeps_session) lose_session();
  if (session_ && snapshot_ && dice_.chance(50)) {
    trace_.line(0, "broker", [] { return "goes back to a snapshot"; });
    session_ = snapshot_;
    session_->expires = now + seconds(session_->expiry_s);
    for (Flight& each : session_->in_flight) each.on_link = each.counted = false;
    ledger_.went_back = true;
  }
  // A broker that only hangs up is not told apart from a bad network once it has accepted version 5.
  const bool says_so = traits_.refusal != Traits::Refusal::close;
  if (traits_.session.version == VersionChoice::automatic && says_so && dice_.chance(20)) {
    speaks_5_ = dice_.chance(50);
    speaks_3_1_1_ = !speaks_5_ || dice_.chance(50);
  }
}

void Broker::end_connection(std::uint8_t code, Instant now) {
  if (!owner_) return;
  Client& client = *owner_;
  if (client.version == ProtocolVersion::v5) send(client, {.type = PacketType::disconnect, .code = code}, now);
  close(client, now);
}

void Broker::send(Client& client, const WirePacket& packet, Instant now) {
  trace_.line(client.link->number, "broker >", [&] { return describe(packet); });
  client.link->down.write(write_packet(packet, client.version), now, traits_, dice_);
}

void Broker::handle(Client& client, WirePacket packet, Instant now) {
  if (packet.type == PacketType::connect) {
    require(!client.connected, "broker: second CONNECT");
    return handle_connect(client, packet, now);
  }
  // What follows a CONNECT that was refused, or that a newer connection made stale.
  if (!client.connected) return;
  switch (packet.type) {
    case PacketType::publish:
      return handle_publish(client, std::move(packet), now);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubcomp:
      return handle_ack(client, packet, now);
    case PacketType::pubrel:
      return handle_pubrel(client, packet, now);
    case PacketType::subscribe:
    case PacketType::unsubscribe:
      return handle_request(client, packet, now);
    case PacketType::pingreq:
      return send(client, {.type = PacketType::pingresp}, now);
    case PacketType::disconnect:
      require(packet.bytes <= client.limits.maximum_packet_size.value_or(UINT32_MAX),
              "broker: a packet over the maximum");
      if (session_ && packet.session_expiry_s) session_->expiry_s = *packet.session_expiry_s;
      return close(client, now);
    default:
      throw Violation("broker: a packet that only brokers send");
  }
}

void Broker::refuse_version(Client& client, Instant now) {
  if (traits_.refusal == Traits::Refusal::code_3_1_1 || client.version == ProtocolVersion::v3_1_1) {
    client.version = ProtocolVersion::v3_1_1;
    send(client, {.type = PacketType::connack, .code = 1}, now);
  } else if (traits_.refusal == Traits::Refusal::code_5) {
    send(client, {.type = PacketType::connack, .code = 0x84}, now);
  }
  close(client, now);
}

void Broker::handle_connect(Client& client, const WirePacket& connect, Instant now) {
  client.version = connect.version;
  const bool is_5 = connect.version == ProtocolVersion::v5;
  if (is_5 ? !speaks_5_ : !speaks_3_1_1_) return refuse_version(client, now);
  if (!calm_ && traits_.refuses_with_codes && dice_.chance(20)) {
    send(client, {.type = PacketType::connack, .code = is_5 ? std::uint8_t{0x88} : std::uint8_t{3}}, now);
    return close(client, now);
  }
  if (owner_) end_connection(kSessionTakenOver, now);
  draw_limits(client, connect);
  take_session(client, connect, now);
  client.connected = true;
  send(client, client.limits, now);
  resume(now);
}

void Broker::draw_limits(Client& client, const WirePacket& connect) {
  client.limits.type = PacketType::connack;
  client.keepalive_s = connect.keepalive_s;
  if (connect.version == ProtocolVersion::v3_1_1) return;
  client.receive_maximum = connect.receive_maximum;
  client.maximum_packet_size = connect.maximum_packet_size.value_or(SIZE_MAX);
  client.alias_maximum = connect.alias_maximum;
  if (!traits_.limits_change) return;
  WirePacket& limits = client.limits;
  limits.receive_maximum = dice_.pick<std::uint16_t>({1, 3, 20, 65'535});
  limits.alias_maximum = dice_.pick<std::uint16_t>({0, 2, 1000});
  if (dice_.chance(30)) limits.maximum_packet_size = dice_.pick<std::uint32_t>({60, 200, 100'000});
  if (dice_.chance(10)) limits.maximum_qos = static_cast<std::uint8_t>(dice_.below(2));
  limits.retain_available = !dice_.chance(10);
  limits.wildcards_available = !dice_.chance(5);
  limits.identifiers_available = !dice_.chance(20);
  if (dice_.chance(20)) limits.keepalive_s = client.keepalive_s = dice_.pick<std::uint16_t>({1, 5, 60});
  if (dice_.chance(10)) limits.session_expiry_s = dice_.pick<std::uint32_t>({0, 5, 100});
}

void Broker::take_session(Client& client, const WirePacket& connect, Instant now) {
  const bool is_5 = connect.version == ProtocolVersion::v5;
  if (session_ && (connect.clean || session_->expires <= now)) lose_session();
  if (connect.client_id.empty()) {
    require(is_5 || connect.clean, "broker: no client id, and no clean session");
    if (session_) lose_session();
    if (is_5) client.limits.client_id = "assigned";
  }
  client.limits.session_present = session_.has_value();
  if (!session_) {
    session_ = Session{};
    session_->last_id = traits_.last_id;
  }
  session_->expires = kNever;
  session_->expiry_s = is_5            ? client.limits.session_expiry_s.value_or(connect.session_expiry_s.value_or(0))
                       : connect.clean ? 0
                                       : 1'000'000;
  owner_ = &client;
  ledger_.losses_at_connack[client.link->number] = ledger_.session_losses;
}

// --- what the client publishes ---

void Broker::check_publish(Client& client, WirePacket& packet) {
  if (packet.alias != 0) {
    require(packet.alias <= client.limits.alias_maximum, "broker: an alias over the maximum");
    if (packet.topic.empty())
      packet.topic = client.client_aliases[packet.alias];
    else
      client.client_aliases[packet.alias] = packet.topic;
  }
  require(packet.bytes <= client.limits.maximum_packet_size.value_or(UINT32_MAX), "broker: a packet over the maximum");
  require(packet.qos <= client.limits.maximum_qos, "broker: a QoS over the maximum");
  require(!packet.retain || client.limits.retain_available, "broker: RETAIN where it is not available");
  const std::size_t number = Ledger::number_in(packet.payload, ledger_.outgoing.size());
  const Outgoing& sent = ledger_.outgoing[number];
  require(packet.topic == sent.topic && packet.qos == sent.qos && packet.retain == sent.retain &&
              packet.payload == Ledger::payload_of(number, sent.payload_bytes) &&
              packet.properties == properties_of(number, sent.with_properties),
          "broker: not what was published: our message", number);
}

void Broker::receive_first(std::size_t number) {
  // Section 4.6: what comes for the first time comes in the order in which it was published.
  if (ledger_.outgoing[number].receptions++ > 0) return;
  require(number >= first_receptions_, "broker: out of order: our message", number);
  first_receptions_ = number + 1;
}

void Broker::handle_publish(Client& client, WirePacket packet, Instant now) {
  check_publish(client, packet);
  const std::size_t number = Ledger::number_in(packet.payload, ledger_.outgoing.size());
  Outgoing& sent = ledger_.outgoing[number];
  if (packet.qos == 0) {
    ++sent.receptions;
    ++sent.deliveries;
    return;
  }
  receive_first(number);
  require(client.received.emplace(packet.packet_id, true).second, "broker: a PUBLISH whose identifier is in use");
  require(client.received.size() <= client.limits.receive_maximum, "broker: more in flight than the Receive Maximum");
  const bool as_qos_2 = packet.qos == 2 && !traits_.pubacks_qos_2;
  WirePacket reply{.type = as_qos_2 ? PacketType::pubrec : PacketType::puback, .packet_id = packet.packet_id};
  const auto held = session_->held.find(packet.packet_id);
  if (as_qos_2 && held != session_->held.end()) {
    require(held->second == number || ledger_.went_back,
            "broker: a QoS 2 identifier used for another message before its PUBREL");
  } else if (!calm_ && client.version == ProtocolVersion::v5 && dice_.chance(traits_.quota_exceeded_percent)) {
    ++sent.refusals;
    reply.code = kQuotaExceeded;
  } else {
    if (as_qos_2) session_->held.emplace(packet.packet_id, number);
    if (!as_qos_2 || !traits_.delivers_at_pubrel) ++sent.deliveries;
  }
  answer(client, reply, now);
}

void Broker::handle_pubrel(Client& client, const WirePacket& pubrel, Instant now) {
  const auto held = session_->held.find(pubrel.packet_id);
  WirePacket reply{.type = PacketType::pubcomp, .packet_id = pubrel.packet_id};
  if (held == session_->held.end()) {
    reply.code = kIdNotFound;
  } else {
    if (traits_.delivers_at_pubrel) ++ledger_.outgoing[held->second].deliveries;
    session_->held.erase(held);
  }
  answer(client, reply, now);
}

void Broker::handle_request(Client& client, const WirePacket& packet, Instant now) {
  require(packet.bytes <= client.limits.maximum_packet_size.value_or(UINT32_MAX), "broker: a packet over the maximum");
  const bool subscribing = packet.type == PacketType::subscribe;
  WirePacket reply{.type = subscribing ? PacketType::suback : PacketType::unsuback, .packet_id = packet.packet_id};
  require(packet.identifiers.empty() || client.limits.identifiers_available, "broker: identifiers are not available");
  for (const auto& [filter, options] : packet.filters) {
    require(!filter.ends_with('#') || !subscribing || client.limits.wildcards_available,
            "broker: wildcards are not available");
    if (!subscribing) {
      reply.codes += session_->subscriptions.erase(filter) > 0 ? '\0' : '\x11';
      continue;
    }
    if (dice_.chance(calm_ ? 0 : traits_.subscribe_refused_percent)) {
      reply.codes += '\x80';
      continue;
    }
    const auto qos = std::min<std::uint8_t>(options & 3, client.limits.maximum_qos);
    session_->subscriptions[filter] = {qos, packet.identifiers.empty() ? 0 : packet.identifiers.front()};
    reply.codes += static_cast<char>(qos);
  }
  answer(client, std::move(reply), now);
}

// --- answers, which may take their time ---

void Broker::answer(Client& client, WirePacket packet, Instant now) {
  Instant due = now + dice_.between(Duration::zero(), traits_.answer_delay_max);
  if (traits_.answers_in_order) due = client.last_answer = std::max(due, client.last_answer);
  if (due <= now) return write_answer(client, packet, now);
  answers_.emplace(due, Answer{client.link->number, std::move(packet)});
}

void Broker::write_answer(Client& client, const WirePacket& packet, Instant now) {
  const bool ends = packet.type == PacketType::puback || packet.type == PacketType::pubcomp ||
                    (packet.type == PacketType::pubrec && packet.code >= 0x80);
  if (ends) client.received.erase(packet.packet_id);
  send(client, packet, now);
  const bool repeatable = packet.type == PacketType::puback || packet.type == PacketType::pubrec ||
                          packet.type == PacketType::pubcomp || packet.type == PacketType::suback;
  if (traits_.repeats_answers && repeatable && dice_.chance(10)) send(client, packet, now);
}

Instant Broker::deadline() const {
  Instant due = answers_.empty() ? kNever : answers_.begin()->first;
  if (owner_ && owner_->keepalive_s != 0) due = std::min(due, owner_->heard + patience(*owner_));
  return due;
}

void Broker::on_timer(Instant now) {
  if (owner_ && owner_->keepalive_s != 0 && now >= owner_->heard + patience(*owner_))
    end_connection(kKeepAliveTimeout, now);
  while (!answers_.empty() && answers_.begin()->first <= now) {
    const Answer due = std::move(answers_.extract(answers_.begin()).mapped());
    if (Client* client = client_of(due.link)) write_answer(*client, due.packet, now);
  }
}

// --- what others publish ---

void Broker::publish_of_others(Instant now) {
  static const std::string kTopics[] = {"a/1", "a/2", "b/1", "b/2/3", "c"};
  const std::string& topic = dice_.pick(kTopics);
  const auto qos = static_cast<std::uint8_t>(dice_.below(3));
  if (session_ && traits_.restores_snapshots && dice_.chance(10)) snapshot_ = session_;
  if (!session_ || (!owner_ && session_->expires <= now)) return;
  std::vector<std::uint32_t> all;
  std::uint8_t highest = 0;
  bool any = false;
  for (const auto& [filter, subscription] : session_->subscriptions) {
    if (!matches(filter, topic)) continue;
    any = true;
    highest = std::max(highest, std::min(qos, subscription.qos));
    std::vector<std::uint32_t> one;
    if (subscription.identifier != 0) one.push_back(subscription.identifier);
    if (traits_.one_copy)
      all.insert(all.end(), one.begin(), one.end());
    else
      queue_copy(topic, std::min(qos, subscription.qos), std::move(one), false, now);
  }
  if (any && traits_.one_copy) queue_copy(topic, highest, std::move(all), false, now);
}

void Broker::queue_copy(const std::string& topic, std::uint8_t qos, std::vector<std::uint32_t> identifiers,
                        bool foreign, Instant now) {
  const std::size_t number = ledger_.incoming.size();
  const std::size_t bytes = dice_.chance(traits_.large_message_percent) ? 2'000 : dice_.below(60);
  PublishersFault fault = PublishersFault::none;
  if (dice_.chance(traits_.publishers_fault_percent))
    fault = dice_.pick({PublishersFault::topic, PublishersFault::content_type, PublishersFault::response_topic});
  static const std::string kNoTopics[] = {"", "a/+", std::string(kNoText), std::string("a\0", 2)};
  ledger_.incoming.push_back({.topic = fault == PublishersFault::topic ? dice_.pick(kNoTopics) : topic,
                              .payload_bytes = bytes,
                              .qos = qos,
                              .retain = dice_.chance(10),
                              .with_properties = dice_.chance(30),
                              .identifiers = std::move(identifiers),
                              .fault = fault,
                              .foreign = foreign});
  if (qos > 0) {
    session_->queue.push_back(number);
    pump(now);
  } else if (owner_ && owner_->connected) {
    static_cast<void>(send_message(number, 0, false, now));
  }
}

std::optional<std::uint16_t> Broker::free_id() {
  for (std::size_t tried = 0; tried < traits_.id_space; ++tried) {
    session_->last_id = session_->last_id % traits_.id_space + 1;
    const auto id = static_cast<std::uint16_t>(session_->last_id);
    const bool used = std::any_of(session_->in_flight.begin(), session_->in_flight.end(),
                                  [&](const Flight& each) { return each.packet_id == id; });
    if (!used) return id;
  }
  return std::nullopt;
}

bool Broker::send_message(std::size_t number, std::uint16_t packet_id, bool dup, Instant now) {
  Client& client = *owner_;
  const bool is_5 = client.version == ProtocolVersion::v5;
  const Incoming& message = ledger_.incoming[number];
  WirePacket packet{.type = PacketType::publish,
                    .packet_id = packet_id,
                    .qos = message.qos,
                    .retain = message.retain,
                    .dup = dup,
                    .topic = message.topic,
                    .payload = Ledger::payload_of(number, message.payload_bytes)};
  if (is_5) {
    packet.properties = properties_of(number, message.with_properties);
    packet.identifiers = message.identifiers;
    if (message.fault == PublishersFault::content_type) packet.properties.content_type = kNoText;
    if (message.fault == PublishersFault::response_topic) packet.properties.response_topic = "answers/#";
    if (write_packet(packet, client.version).size() + 3 > client.maximum_packet_size) return false;
    if (client.alias_maximum > 0 && !packet.topic.empty() && dice_.chance(70)) {
      // Now and then an alias is given to another topic.
      const auto found = client.aliases.find(message.topic);
      if (found != client.aliases.end() && dice_.chance(90)) {
        packet.alias = found->second;
        packet.topic.clear();
      } else {
        packet.alias = static_cast<std::uint16_t>(dice_.between(1, client.alias_maximum));
        std::erase_if(client.aliases, [&](const auto& each) { return each.second == packet.alias; });
        client.aliases[message.topic] = packet.alias;
      }
    }
  }
  // What is over our limit is read past, and what no client should get is passed over.
  const bool unfit =
      message.fault == PublishersFault::topic || (is_5 && message.fault == PublishersFault::content_type);
  if (unfit || write_packet(packet, client.version).size() > traits_.session.packet_bytes_max)
    ledger_.incoming[number].lost = true;
  send(client, packet, now);
  return true;
}

void Broker::resume(Instant now) {
  std::deque<Flight>& flights = session_->in_flight;
  for (std::size_t i = 0; i < flights.size();) {
    Flight& each = flights[i];
    each.on_link = true;
    if (each.released) {
      send(*owner_, {.type = PacketType::pubrel, .packet_id = each.packet_id}, now);
    } else if (!send_message(each.number, each.packet_id, true, now)) {
      ledger_.incoming[each.number].lost = true;
      flights.erase(flights.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    } else {
      each.counted = true;
    }
    ++i;
  }
  pump(now);
}

void Broker::pump(Instant now) {
  while (owner_ && owner_->connected && !session_->queue.empty()) {
    const auto counted = static_cast<std::size_t>(std::count_if(session_->in_flight.begin(), session_->in_flight.end(),
                                                                [](const Flight& each) { return each.counted; }));
    if (counted >= owner_->receive_maximum * (traits_.overshoots ? 2 : 1)) return;
    const auto id = free_id();
    if (!id) return;
    const std::size_t number = session_->queue.front();
    session_->queue.pop_front();
    if (send_message(number, *id, false, now))
      session_->in_flight.push_back({.number = number, .packet_id = *id, .on_link = true, .counted = true});
    else
      ledger_.incoming[number].lost = true;
  }
}

void Broker::handle_ack(Client& client, const WirePacket& ack, Instant now) {
  const auto found = std::find_if(session_->in_flight.begin(), session_->in_flight.end(),
                                  [&](const Flight& each) { return each.packet_id == ack.packet_id; });
  require(found != session_->in_flight.end(), "broker: an acknowledgement of nothing, packet", ack.packet_id);
  require(found->on_link, "broker: an acknowledgement of what was not sent on this connection");
  const std::uint8_t qos = ledger_.incoming[found->number].qos;
  require(ack.code < 0x80 || ack.type == PacketType::pubcomp, "broker: an acknowledgement that fails");
  switch (ack.type) {
    case PacketType::puback:
      require(qos == 1, "broker: PUBACK where a PUBREC was due");
      session_->in_flight.erase(found);
      break;
    case PacketType::pubrec:
      require(qos == 2 && !found->released, "broker: PUBREC where none was due");
      found->released = true;
      answer(client, {.type = PacketType::pubrel, .packet_id = ack.packet_id}, now);
      break;
    default:
      require(found->released, "broker: PUBCOMP before a PUBREL");
      session_->in_flight.erase(found);
      break;
  }
  pump(now);
}

bool Broker::quiet() const {
  return answers_.empty() && (!session_ || (session_->queue.empty() && session_->in_flight.empty()));
}

bool Broker::has_subscription(const std::string& filter) const {
  return session_ && session_->subscriptions.contains(filter);
}

}  // namespace famemely::mqtt::simulator
