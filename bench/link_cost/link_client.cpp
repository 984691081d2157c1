#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "client.hpp"
#include "gateway/bridge.hpp"
#include "io/link.hpp"
#include "serving/system_random.hpp"

namespace link_cost {
namespace {

using namespace famemely;

class ErrorLog final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel level) const override { return level >= LogLevel::warn; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>& fields) override {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(event.size()), event.data());
    for (const LogField& field : fields) std::fprintf(stderr, "  %s\n", field.value.c_str());
  }
};

/// The link as the server has it with several workers: on a loop of its own. Its one worker counts.
class LinkClient final : public Client {
 public:
  explicit LinkClient(std::uint16_t port)
      : bridge_(options(), random_, log_),
        link_({.host = "127.0.0.1", .port = port}, context_, bridge_, true, log_),
        work_(boost::asio::make_work_guard(context_)) {
    link_.set_gates({[this](std::vector<gateway::WorkerEvent>& events) {
      for (const gateway::WorkerEvent& event : events) note(event);
      events.clear();
      return true;
    }});
    link_.start();
    while (!connected_) context_.run_one();
  }

  void subscribe(const std::string& filter) override {
    commands_.emplace_back(gateway::SubscribeCommand{0, ++last_request_, *mqtt::TopicFilter::parse(filter), 0});
    link_.push(0, commands_);
    while (!granted_) context_.run_one();
  }

  void receive(std::uint64_t messages) override {
    while (received_ < messages) context_.run_one();
    received_ -= messages;
  }

  void publish(std::uint8_t qos, std::uint64_t messages, std::uint64_t in_flight) override {
    const mqtt::TopicName topic = *mqtt::TopicName::parse(kTopic);
    const std::string payload(kPayloadBytes, 'x');
    answered_ = 0;
    for (std::uint64_t sent = 0; answered_ < messages;) {
      for (; sent < messages && sent - answered_ < in_flight; ++sent)
        commands_.emplace_back(gateway::PublishCommand{0, ++last_request_, {topic, payload, qos}});
      if (commands_.empty())
        context_.run_one();
      else
        link_.push(0, commands_);
    }
  }

 private:
  static gateway::BridgeOptions options() {
    gateway::BridgeOptions options;
    options.session.client_id = "link-cost-" + std::to_string(::getpid());
    options.session.version = mqtt::VersionChoice::only_5;
    return options;
  }

  void note(const gateway::WorkerEvent& event) {
    if (std::holds_alternative<gateway::Delivery>(event)) {
      ++received_;
    } else if (const auto* published = std::get_if<gateway::PublishAnswer>(&event)) {
      if (published->error) fail(published->error->message);
      ++answered_;
    } else if (const auto* subscribed = std::get_if<gateway::SubscribeAnswer>(&event)) {
      if (!subscribed->outcome) fail(subscribed->outcome.error().message);
      granted_ = true;
    } else if (const auto* status = std::get_if<gateway::LinkStatus>(&event)) {
      connected_ = status->is_connected;
    }
  }
  [[noreturn]] static void fail(const std::string& message) {
    std::fprintf(stderr, "link: %s\n", message.c_str());
    std::exit(1);
  }

  ErrorLog log_;
  serving::SystemRandom random_;
  boost::asio::io_context context_{1};
  gateway::Bridge bridge_;
  io::Link link_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<gateway::LinkCommand> commands_;
  gateway::RequestId last_request_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t answered_ = 0;
  bool connected_ = false;
  bool granted_ = false;
};

}  // namespace

std::unique_ptr<Client> connect_link(std::uint16_t port) { return std::make_unique<LinkClient>(port); }

}  // namespace link_cost
