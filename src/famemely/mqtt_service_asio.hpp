#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "famemely/mqtt_service.hpp"

/// The requests of an MqttService for programs that run on Asio: with any completion token, as
///
///     famemely::MqttPublication message{.topic = "a", .payload = "1", .qos = 1};
///     co_await famemely::async_publish(mqtt, message, boost::asio::use_awaitable);
///
/// (With GCC 12 don't write the braces inside the `co_await`: it destroys what they make twice.)
/// The signature is `void(std::exception_ptr)`, so a coroutine gets an MqttError thrown. The handler runs on its
/// associated executor. The service must live until then; cancellation is not supported.
namespace famemely {
namespace asio_detail {

/// Starts a request with a completion of the service that brings the handler to its executor.
template <typename Token, typename Start>
auto initiate(Token&& token, Start start) {
  return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
      [](auto handler, Start begin) {
        using Handler = decltype(handler);
        // The executor's context must not run out of work while the broker is thinking.
        auto executor = boost::asio::prefer(boost::asio::get_associated_executor(handler),
                                            boost::asio::execution::outstanding_work.tracked);
        auto shared = std::make_shared<Handler>(std::move(handler));
        begin([shared, executor](const std::optional<MqttError>& error) {
          std::exception_ptr thrown = error ? std::make_exception_ptr(*error) : nullptr;
          boost::asio::post(executor, [shared, thrown] { std::move (*shared)(thrown); });
        });
      },
      token, std::move(start));
}

}  // namespace asio_detail

template <typename Token>
auto async_connect(MqttService& service, Token&& token) {
  return asio_detail::initiate(std::forward<Token>(token),
                               [&service](MqttCompletion done) { service.connect(std::move(done)); });
}

template <typename Token>
auto async_publish(MqttService& service, MqttPublication message, Token&& token) {
  return asio_detail::initiate(std::forward<Token>(token),
                               [&service, message = std::move(message)](MqttCompletion done) mutable {
                                 service.publish(std::move(message), std::move(done));
                               });
}

template <typename Token>
auto async_subscribe(MqttService& service, std::string filter, std::uint8_t qos, Token&& token) {
  return asio_detail::initiate(std::forward<Token>(token),
                               [&service, filter = std::move(filter), qos](MqttCompletion done) {
                                 service.subscribe(filter, qos, std::move(done));
                               });
}

template <typename Token>
auto async_unsubscribe(MqttService& service, std::string filter, Token&& token) {
  return asio_detail::initiate(std::forward<Token>(token), [&service, filter = std::move(filter)](MqttCompletion done) {
    service.unsubscribe(filter, std::move(done));
  });
}

}  // namespace famemely
