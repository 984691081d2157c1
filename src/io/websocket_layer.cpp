#include "io/websocket_layer.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <utility>

namespace famemely::io {
namespace http = boost::beast::http;

WebSocketLayer::WebSocketLayer(std::string authority, std::string target, const HttpFields& fields,
                               RandomSource& random)
    : request_{.host = std::move(authority),
               .target = std::move(target),
               .key = websocket::make_key(random),
               .subprotocol = "mqtt",  // MQTT 5 section 6, and 3.1.1 likewise
               .fields = fields},
      stream_(random) {
  parser_.eager(false);
  parser_.header_limit(kAnswerBytesMax);
  parser_.body_limit(boost::none);
}

void WebSocketLayer::begin(std::string& wire) const { wire += websocket::write_upgrade_request(request_); }

Result<void, std::string> WebSocketLayer::on_received(std::span<char> bytes, std::string& data) {
  if (!upgraded_) {
    if (auto answered = on_answer({bytes.data(), bytes.size()}); !answered || !upgraded_) return answered;
    bytes = inbox_;  // what came behind the answer
  }
  stream_.feed(bytes);
  while (const auto piece = stream_.next()) data.append(*piece);
  if (!inbox_.empty()) std::string().swap(inbox_);
  if (stream_.ended()) return failure(*stream_.ended());
  return {};
}

Result<void, std::string> WebSocketLayer::on_answer(std::string_view bytes) {
  inbox_.append(bytes);
  // The parser takes the status line by itself and the fields all at once.
  std::size_t parsed = 0;
  boost::beast::error_code fault;
  do {
    parsed = parser_.put(boost::asio::buffer(inbox_), fault);
    inbox_.erase(0, parsed);
  } while (!fault && parsed != 0 && !parser_.is_header_done() && !inbox_.empty());
  if (!parser_.is_header_done()) {
    if (fault == http::error::header_limit || inbox_.size() > kAnswerBytesMax)
      return failure(fmt::format("the head of the server's answer is over {} bytes", kAnswerBytesMax));
    if (fault && fault != http::error::need_more)
      return failure("the server does not answer in HTTP: " + fault.message());
    return {};
  }
  const auto& message = parser_.get();
  HttpResponse answer{.status = static_cast<int>(message.result_int()), .fields = {}, .body = {}};
  for (const auto& field : message) answer.fields.add(std::string(field.name_string()), std::string(field.value()));
  const std::string phrase(message.reason());
  if (auto wrong = websocket::check_answer(answer, phrase, request_)) return failure(std::move(*wrong));
  upgraded_ = true;
  return {};
}

}  // namespace famemely::io
