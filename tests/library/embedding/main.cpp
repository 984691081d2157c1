// A program on Asio that embeds both: it publishes from a coroutine, and asks its own gateway for its health.

#include <boost/asio.hpp>
#include <famemely/gateway.hpp>
#include <famemely/mqtt_service_asio.hpp>
#include <iostream>
#include <string>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> talk(famemely::MqttService& mqtt, std::uint16_t gateway_port) {
  co_await famemely::async_connect(mqtt, asio::use_awaitable);
  co_await famemely::async_subscribe(mqtt, "a/#", 1, asio::use_awaitable);
  famemely::MqttPublication message{.topic = "a/b", .payload = "1", .qos = 2};
  co_await famemely::async_publish(mqtt, message, asio::use_awaitable);
  co_await famemely::async_unsubscribe(mqtt, "a/#", asio::use_awaitable);
  std::cout << "published\n";
  try {
    message.topic = "a/#";
    co_await famemely::async_publish(mqtt, message, asio::use_awaitable);
  } catch (const famemely::MqttError& error) {
    std::cout << "refused " << error.code() << "\n";
  }

  asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect({asio::ip::address_v4::loopback(), gateway_port}, asio::use_awaitable);
  const std::string request = "GET /mqtt/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  std::string answer;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(answer), "\r\n", asio::use_awaitable);
  std::cout << "health " << answer.substr(9, 3) << std::endl;
}

}  // namespace

int main(int, char** argv) {
  try {
    famemely::Gateway gateway({.settings = {{"MQTT_URL", argv[1]},
                                            {"SUPABASE_JWT_SECRET", "a secret of the test, thirty-two bytes or more"},
                                            {"HOST", "127.0.0.1"},
                                            {"PORT", "0"},
                                            {"WORKERS", "2"},
                                            {"LOG_LEVEL", "warn"}}});
    gateway.start();
    famemely::MqttService mqtt({.url = argv[1]});
    asio::io_context loop;
    asio::co_spawn(loop, talk(mqtt, gateway.port()), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    loop.run();
    gateway.stop();
  } catch (const std::exception& error) {
    std::cerr << "embedding: " << error.what() << "\n";
    return 1;
  }
}
