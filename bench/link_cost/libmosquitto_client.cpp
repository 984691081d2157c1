#include <mosquitto.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "client.hpp"

namespace link_cost {
namespace {

void expect_success(int code, const char* what) {
  if (code == MOSQ_ERR_SUCCESS) return;
  std::fprintf(stderr, "libmosquitto: %s: %s\n", what, mosquitto_strerror(code));
  std::exit(1);
}

/// As its documentation would have it: one thread, its own loop, the next publish from the callback of the one before.
class LibmosquittoClient final : public Client {
 public:
  explicit LibmosquittoClient(std::uint16_t port) {
    mosquitto_lib_init();
    client_ = mosquitto_new(nullptr, true, this);
    expect_success(mosquitto_int_option(client_, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), "version");
    expect_success(mosquitto_int_option(client_, MOSQ_OPT_SEND_MAXIMUM, 65'535), "send maximum");
    expect_success(mosquitto_int_option(client_, MOSQ_OPT_TCP_NODELAY, 1), "no delay");
    mosquitto_connect_callback_set(client_, [](mosquitto*, void* self, int code) {
      expect_success(code, "CONNACK");
      of(self).connected_ = true;
    });
    mosquitto_subscribe_callback_set(client_,
                                     [](mosquitto*, void* self, int, int, const int*) { of(self).granted_ = true; });
    mosquitto_message_callback_set(client_,
                                   [](mosquitto*, void* self, const mosquitto_message*) { ++of(self).received_; });
    mosquitto_publish_callback_set(client_, [](mosquitto*, void* self, int) {
      ++of(self).answered_;
      of(self).publish_next();
    });
    expect_success(mosquitto_connect(client_, "127.0.0.1", port, 60), "connect");
    while (!connected_) loop();
  }
  ~LibmosquittoClient() override {
    mosquitto_destroy(client_);
    mosquitto_lib_cleanup();
  }
  LibmosquittoClient(const LibmosquittoClient&) = delete;
  LibmosquittoClient& operator=(const LibmosquittoClient&) = delete;

  void subscribe(const std::string& filter) override {
    expect_success(mosquitto_subscribe(client_, nullptr, filter.c_str(), 0), "subscribe");
    while (!granted_) loop();
  }

  void receive(std::uint64_t messages) override {
    while (received_ < messages) loop();
    received_ -= messages;
  }

  void publish(std::uint8_t qos, std::uint64_t messages, std::uint64_t in_flight) override {
    qos_ = qos;
    left_ = messages;
    answered_ = 0;
    for (std::uint64_t i = 0; i < in_flight; ++i) publish_next();
    while (answered_ < messages) loop();
  }

 private:
  static LibmosquittoClient& of(void* self) { return *static_cast<LibmosquittoClient*>(self); }

  void publish_next() {
    if (left_ == 0) return;
    --left_;
    expect_success(
        mosquitto_publish(client_, nullptr, kTopic, static_cast<int>(payload_.size()), payload_.data(), qos_, false),
        "publish");
  }
  void loop() { expect_success(mosquitto_loop(client_, 1'000, 1), "loop"); }

  mosquitto* client_ = nullptr;
  const std::string payload_ = std::string(kPayloadBytes, 'x');
  int qos_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t answered_ = 0;
  bool connected_ = false;
  bool granted_ = false;
};

}  // namespace

std::unique_ptr<Client> connect_libmosquitto(std::uint16_t port) { return std::make_unique<LibmosquittoClient>(port); }

}  // namespace link_cost
