#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>

#include "protocol/mqtt/mqtt_text.hpp"
#include "protocol/mqtt/session.hpp"

using namespace famemely;
using namespace famemely::mqtt;

namespace {

constexpr std::size_t kOurPacketBytesMax = 512;
constexpr std::size_t kConnectionsMax = 8;

/// What a session says of a script: its output, and its events in short.
struct Account {
  std::string output;
  std::string events;
};

/// The script is a sequence of steps: a byte that chooses what happens, and what that needs. Broker's bytes come with a
/// length before them, so that any mixture of broken and sound packets, commands, waiting and drops can be written.
class Run {
 public:
  Run(std::string_view script, SessionOptions options, std::size_t piece)
      : script_(script), piece_(piece), session_(std::move(options)) {}

  Account run() {
    open();
    while (!script_.empty()) step(take());
    session_.on_transport_closed(now_, effects_);
    drain();
    check();
    return std::move(account_);
  }

 private:
  std::uint8_t take() {
    if (script_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(script_.front());
    script_.remove_prefix(1);
    return byte;
  }

  void step(std::uint8_t what) {
    switch (what % 12) {
      case 0:
      case 1:
      case 2:
        return receive(take());
      case 3:
        return publish(take());
      case 4:
        return subscribe(take());
      case 5:
        return acknowledge(take());
      case 6:
        now_ += std::chrono::milliseconds(take() * 100);
        session_.on_timer(now_, effects_);
        return drain();
      case 7:
        session_.on_transport_closed(now_, effects_);
        drain();
        return open();
      case 8:
        session_.ping(next_token_++, now_, effects_);
        return drain();
      case 9:
        session_.disconnect(ReasonCode::success, now_, effects_);
        drain();
        return open();
      case 10: {
        const auto outcome = session_.unsubscribe(
            {.token = next_token_, .filters = {*TopicFilter::parse("a/#"), *TopicFilter::parse("b")}}, now_, effects_);
        if (outcome) ++requests_, ++next_token_;
        return drain();
      }
      default:
        return accept(take());
    }
  }

  void open() {
    if (++connections_ > kConnectionsMax) script_ = {};
    session_.on_transport_open(now_, effects_);
    drain();
  }

  /// A sound CONNACK, or little in a script would come further.
  void accept(std::uint8_t flags) {
    const bool is_5 = session_.version() == ProtocolVersion::v5;
    std::string connack{'\x20', is_5 ? '\x06' : '\x02', static_cast<char>(flags & 1), '\0'};
    if (is_5) connack += {'\x03', '\x21', '\0', static_cast<char>(flags >> 1 | 1)};
    feed(connack);
  }

  void receive(std::size_t length) {
    const std::string_view bytes = script_.substr(0, length);
    script_.remove_prefix(bytes.size());
    feed(bytes);
  }

  void feed(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += piece_) {
      session_.on_bytes(bytes.substr(at, piece_), now_, effects_);
      drain();
    }
  }

  void publish(std::uint8_t how) {
    PublishProperties properties;
    if ((how & 0x10) != 0) properties.content_type = "text";
    if ((how & 0x20) != 0) properties.user_properties = {{"n", "1"}, {"n", "2"}};
    if ((how & 0x40) != 0) properties.correlation_data = std::string(how, '\xFF');
    const auto outcome = session_.publish({.token = next_token_,
                                           .topic = *TopicName::parse((how & 0x08) != 0 ? "t/1" : "t"),
                                           .payload = std::string(how, 'p'),
                                           .qos = static_cast<std::uint8_t>(how % 4),
                                           .retain = (how & 4) != 0,
                                           .properties = std::move(properties)},
                                          now_, effects_);
    if (outcome) ++publishes_, ++next_token_;
    drain();
  }

  void subscribe(std::uint8_t how) {
    SubscribeCommand command{.token = next_token_, .entries = {}};
    for (std::size_t i = 0; i <= how % 3; ++i)
      command.entries.push_back({.filter = *TopicFilter::parse(i == 0 ? "a/#" : "b"),
                                 .qos = static_cast<std::uint8_t>(how / 3 % 3),
                                 .no_local = (how & 0x80) != 0});
    if ((how & 0x40) != 0) command.subscription_identifier = how;
    if (session_.subscribe(command, now_, effects_)) ++requests_, ++next_token_;
    drain();
  }

  /// One of the messages that wait, in any order; now and then one that is acknowledged already.
  void acknowledge(std::size_t which) {
    if (handles_.empty()) return;
    const std::size_t index = which % handles_.size();
    session_.acknowledge(handles_[index], now_, effects_);
    if (which < 200) handles_.erase(handles_.begin() + static_cast<std::ptrdiff_t>(index));
    drain();
  }

  void drain() {
    for (const SessionEvent& event : effects_.events) note(event);
    account_.output += effects_.output;
    effects_.clear();
    check();
  }

  void note(const SessionEvent& event) {
    std::string& events = account_.events;
    events += static_cast<char>('A' + event.index());
    if (const auto* message = std::get_if<MessageReceived>(&event)) {
      if (message->topic.empty() || !is_mqtt_text(message->topic) ||
          message->topic.find_first_of("+#") != std::string_view::npos)
        std::abort();  // no topic
      events.append(message->topic).append("=").append(message->payload);
      for (const UserPropertyView& property : message->properties.user_properties)
        events.append(property.name).append(property.value);
      for (std::uint32_t identifier : message->subscription_identifiers) events += std::to_string(identifier);
      if (message->acknowledgement != 0) handles_.push_back(message->acknowledgement);
    }
    if (const auto* completed = std::get_if<PublishCompleted>(&event)) {
      if (publishes_-- == 0) std::abort();  // answered twice
      events += std::to_string(completed->token);
    }
    if (std::holds_alternative<SubscribeCompleted>(event) || std::holds_alternative<UnsubscribeCompleted>(event))
      if (requests_-- == 0) std::abort();
    events += ';';
  }

  /// Whatever a broker sends, nothing is forgotten.
  void check() const {
    const std::size_t open = session_.in_flight() + session_.queued();
    if (open != publishes_ || session_.packet_ids_in_use() < session_.in_flight() + requests_) std::abort();
    if (!session_.connected() && (requests_ != 0 || session_.unacknowledged() != 0)) std::abort();
  }

  std::string_view script_;
  std::size_t piece_;
  Session session_;
  Effects effects_;
  Account account_;
  Instant now_{std::chrono::hours(1)};
  std::deque<AcknowledgementHandle> handles_;
  Token next_token_ = 1;
  std::size_t connections_ = 0;
  std::size_t publishes_ = 0;  // accepted and not completed
  std::size_t requests_ = 0;
};

}  // namespace

/// However the broker's bytes are cut, a session says the same of them; and each command is answered once.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static constexpr VersionChoice kChoices[] = {VersionChoice::only_3_1_1, VersionChoice::only_5,
                                               VersionChoice::automatic};
  const SessionOptions options{.client_id = "f",
                               .version = kChoices[data[0] % 3],
                               .keepalive_s = static_cast<std::uint16_t>(data[0] / 3 % 4),
                               .session_expiry_s = data[0] >= 240 ? 0U : 3600U,
                               .packet_bytes_max = kOurPacketBytesMax,
                               .queued_publishes_max = 4};
  const std::size_t piece = 1 + data[1] % 16;
  const std::string_view script(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Account whole = Run(script, options, script.size() + 1).run();
  const Account split = Run(script, options, piece).run();
  if (whole.output != split.output || whole.events != split.events) std::abort();
  return 0;
}
