#include "famemely/mqtt_service.hpp"

#include <fmt/format.h>

#include <exception>
#include <limits>
#include <map>
#include <utility>

#include "famemely/log_writer.hpp"
#include "famemely/mqtt_service_state.hpp"
#include "famemely/registered_handler.hpp"
#include "famemely/settings_map.hpp"
#include "serving/clocks.hpp"
#include "serving/system_random.hpp"

namespace famemely {
namespace {

constexpr int kBadRequest = 400;

MqttError public_error(const Error& error) { return {error.status(), error.text()}; }

// --- options ---

app::Config service_config(const MqttServiceOptions& options) {
  std::map<std::string, std::string> settings = options.settings;
  const auto set = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    if (!settings.emplace(name, value).second)
      throw MqttError(kBadRequest, fmt::format("{} stands among the settings and has a member of its own", name));
  };
  const auto set_duration = [&](const char* name, const std::optional<std::chrono::milliseconds>& value) {
    if (value) set(name, fmt::format("{}ms", value->count()));
  };
  set("MQTT_URL", options.url);
  set("MQTT_HOST", options.host);
  if (options.port) set("MQTT_PORT", std::to_string(*options.port));
  set("MQTT_PROTOCOL", options.protocol);
  set("MQTT_USERNAME", options.username);
  set("MQTT_PASSWORD", options.password);
  set("MQTT_VERSION", options.version);
  set("MQTT_CLIENT_ID", options.client_id);
  set_duration("MQTT_KEEPALIVE", options.keepalive);
  set_duration("MQTT_CONNECT_TIMEOUT", options.connect_timeout);
  set_duration("MQTT_RECONNECT_MIN", options.reconnect_min);
  set_duration("MQTT_RECONNECT_MAX", options.reconnect_max);
  if (!settings.contains("MQTT_URL") && !settings.contains("MQTT_HOST"))
    throw MqttError(kBadRequest, "no broker is set: set url or host");

  app::ConfigRequest purpose;
  purpose.link_alone = true;
  auto loaded = config_of(settings, std::move(purpose));
  if (!loaded) throw MqttError(kBadRequest, loaded.error());
  if (loaded->config.managed_broker())
    throw MqttError(kBadRequest, "host: a managed broker is run by the gateway alone");
  if (loaded->config.mqtt_client_id.empty()) {
    serving::SystemRandom random;
    std::uint8_t suffix[4];
    random.fill(suffix);
    loaded->config.mqtt_client_id =
        fmt::format("famemely_{}_{:02x}{:02x}{:02x}{:02x}", serving::read_clocks().wall.time_since_epoch().count(),
                    suffix[0], suffix[1], suffix[2], suffix[3]);
  }
  return std::move(loaded->config);
}

// --- arguments ---

template <typename Parsed>
Parsed parse(const std::string& text) {
  auto parsed = Parsed::parse(text);
  if (!parsed) throw MqttError(kBadRequest, parsed.error());
  return *std::move(parsed);
}

void check_qos(std::uint8_t qos) {
  if (qos > 2) throw MqttError(kBadRequest, "qos must be one of the following values: 0, 1, 2");
}

mqtt::PublishProperties checked_properties(MqttProperties given) {
  mqtt::PublishProperties properties{.content_type = std::move(given.content_type),
                                     .response_topic = std::move(given.response_topic),
                                     .correlation_data = std::move(given.correlation_data),
                                     .payload_is_utf8 = given.payload_is_utf8};
  if (given.message_expiry) {
    const auto seconds = given.message_expiry->count();
    if (seconds < 0 || seconds > std::numeric_limits<std::uint32_t>::max())
      throw MqttError(kBadRequest, "properties: the message expiry must be 0 to 4294967295 seconds");
    properties.message_expiry_s = static_cast<std::uint32_t>(seconds);
  }
  for (auto& [name, value] : given.user_properties)
    properties.user_properties.push_back({std::move(name), std::move(value)});
  if (auto fault = mqtt::fault_of(properties)) throw MqttError(kBadRequest, "properties: " + *fault);
  return properties;
}

gateway::OutgoingMessage checked(MqttPublication message) {
  check_qos(message.qos);
  const bool properties_asked = message.properties != MqttProperties{};
  return {.topic = parse<mqtt::TopicName>(message.topic),
          .payload = std::move(message.payload),
          .qos = message.qos,
          .retain = message.retain,
          .properties = checked_properties(std::move(message.properties)),
          .properties_asked = properties_asked};
}

// --- answers ---

/// Gives what `start` is refused with, or what comes later, to the future.
template <typename Start>
std::future<void> as_future(Start&& start) {
  std::promise<void> promise;
  std::future<void> future = promise.get_future();
  // The promise must be there for the refusal, and goes to whoever answers.
  auto shared = std::make_shared<std::promise<void>>(std::move(promise));
  try {
    start([shared](std::optional<Error> error) {
      if (error)
        shared->set_exception(std::make_exception_ptr(public_error(*error)));
      else
        shared->set_value();
    });
  } catch (const MqttError&) {
    shared->set_exception(std::current_exception());
  }
  return future;
}

GrantCompletion into_promise(std::shared_ptr<std::promise<std::uint8_t>> promise) {
  return [promise = std::move(promise)](Result<std::uint8_t, Error> granted) {
    if (granted)
      promise->set_value(*granted);
    else
      promise->set_exception(std::make_exception_ptr(public_error(granted.error())));
  };
}

/// Has the program's completion called on the thread of the handlers, also with what `start` is refused with.
template <typename Start>
void with_completion(MqttServiceState& state, MqttCompletion completion, Start&& start) {
  auto shared = std::make_shared<MqttCompletion>(std::move(completion));
  const auto tell = [&state, shared](std::optional<MqttError> error) {
    state.complete([shared, error = std::move(error)] {
      if (*shared) (*shared)(error);
    });
  };
  try {
    start([tell](std::optional<Error> error) { tell(error ? std::optional(public_error(*error)) : std::nullopt); });
  } catch (const MqttError& refused) {
    tell(refused);
  }
}

}  // namespace

// --- registrations ---

MessageHandlerRegistration& MessageHandlerRegistration::operator=(MessageHandlerRegistration&& other) noexcept {
  if (this == &other) return *this;
  unregister();
  service_ = std::move(other.service_);
  handler_ = std::move(other.handler_);
  id_ = std::exchange(other.id_, 0);
  subscribed_ = std::move(other.subscribed_);
  return *this;
}

MessageHandlerRegistration::MessageHandlerRegistration(MessageHandlerRegistration&& other) noexcept
    : service_(std::move(other.service_)),
      handler_(std::move(other.handler_)),
      id_(std::exchange(other.id_, 0)),
      subscribed_(std::move(other.subscribed_)) {}

void MessageHandlerRegistration::unregister() {
  if (!handler_) return;
  if (const auto service = service_.lock()) service->remove_handler(id_);
  std::exchange(handler_, nullptr)->retire();
  id_ = 0;
}

// --- the service ---

MqttService::MqttService(MqttServiceOptions options) {
  app::Config config = service_config(options);
  auto logger = make_logger(std::move(options.log), config);
  try {
    state_ = std::make_shared<MqttServiceState>(std::move(config), std::move(logger));
  } catch (const std::exception& error) {  // a file of certificates that can't be read
    throw MqttError(kBadRequest, error.what());
  }
}

MqttService::~MqttService() { state_->shut_down(); }

std::future<void> MqttService::connect() {
  return as_future([&](auto done) { state_->connect(std::move(done)); });
}

void MqttService::connect(MqttCompletion completion) {
  with_completion(*state_, std::move(completion), [&](auto done) { state_->connect(std::move(done)); });
}

void MqttService::disconnect() { state_->disconnect(); }

std::future<void> MqttService::publish(MqttPublication message) {
  return as_future([&](auto done) { state_->publish(checked(std::move(message)), std::move(done)); });
}

void MqttService::publish(MqttPublication message, MqttCompletion completion) {
  with_completion(*state_, std::move(completion),
                  [&](auto done) { state_->publish(checked(std::move(message)), std::move(done)); });
}

std::future<std::uint8_t> MqttService::subscribe(const std::string& filter, std::uint8_t qos) {
  auto promise = std::make_shared<std::promise<std::uint8_t>>();
  std::future<std::uint8_t> future = promise->get_future();
  try {
    check_qos(qos);
    state_->subscribe(parse<mqtt::TopicFilter>(filter), qos, into_promise(promise));
  } catch (const MqttError&) {
    promise->set_exception(std::current_exception());
  }
  return future;
}

void MqttService::subscribe(const std::string& filter, std::uint8_t qos, MqttCompletion completion) {
  with_completion(*state_, std::move(completion), [&](auto done) {
    check_qos(qos);
    state_->subscribe(parse<mqtt::TopicFilter>(filter), qos,
                      [done = std::move(done)](Result<std::uint8_t, Error> granted) {
                        done(granted ? std::nullopt : std::optional(std::move(granted.error())));
                      });
  });
}

std::future<void> MqttService::unsubscribe(const std::string& filter) {
  return as_future([&](auto done) { state_->unsubscribe(parse<mqtt::TopicFilter>(filter), std::move(done)); });
}

void MqttService::unsubscribe(const std::string& filter, MqttCompletion completion) {
  with_completion(*state_, std::move(completion),
                  [&](auto done) { state_->unsubscribe(parse<mqtt::TopicFilter>(filter), std::move(done)); });
}

MessageHandlerRegistration MqttService::register_message_handler(const std::string& filter, MessageHandler handler,
                                                                 HandlerOptions options) {
  check_qos(options.qos);
  if (!handler) throw MqttError(kBadRequest, "the handler is empty");
  const auto parsed = parse<mqtt::TopicFilter>(filter);
  MessageHandlerRegistration registration;
  registration.service_ = state_;
  registration.handler_ = std::make_shared<RegisteredHandler>(std::move(handler));
  GrantCompletion done;
  if (options.subscribe) {
    auto promise = std::make_shared<std::promise<std::uint8_t>>();
    registration.subscribed_ = promise->get_future().share();
    done = into_promise(std::move(promise));
  }
  registration.id_ = state_->add_handler(parsed, options, registration.handler_, std::move(done));
  return registration;
}

MqttConnectionStatus MqttService::connection_status() const { return state_->connection_status(); }

MqttServiceStats MqttService::stats() const { return state_->stats(); }

}  // namespace famemely
