#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/audit_log.hpp"
#include "api/batch_answer.hpp"
#include "api/rest_route.hpp"
#include "api/user_limiting.hpp"
#include "base/content_coding.hpp"
#include "base/error.hpp"
#include "base/http_message.hpp"
#include "base/instant.hpp"
#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "gateway/sign_ins.hpp"
#include "gateway/worker.hpp"
#include "protocol/socketio/effects.hpp"

namespace famemely::api {

struct RestOptions {
  std::string version;
  Instant started_at{};  // of the process
  /// Answers of this size and above are compressed for clients that take it; nothing: none is.
  std::optional<std::size_t> compressed_bytes_min = kCompressedBytesMin;
  UserLimiting limiting{};
};

/// All requests that are not for the Socket.IO server: checks what is asked, asks it of the worker, and answers, at
/// once or when the outcome is there. Every answer carries the request's id, the client's own `X-Request-Id` if it sent
/// one.
class RestRoutes {
 public:
  RestRoutes(RestOptions options, gateway::Worker& worker, gateway::SignIns& sign_ins, RandomSource& random,
             AuditLog& audit, Logger& logger);

  void on_request(socketio::ConnectionId connection, const HttpRequest& request, Now now, socketio::Effects& effects);
  /// Nobody waits for the answer any more; what was asked goes on.
  void on_abandoned(socketio::ConnectionId connection);
  /// False if the outcome answers somebody else's request.
  bool on_outcome(const gateway::Outcome& outcome, Now now, socketio::Effects& effects);
  /// True once every request has its answer.
  [[nodiscard]] bool idle() const { return exchanges_.empty(); }

 private:
  using ExchangeId = std::uint64_t;

  /// A request and what is needed to answer it.
  struct Exchange {
    std::optional<socketio::ConnectionId> connection;  // nothing: abandoned
    std::string request_id;
    std::string method;
    std::string path;
    std::string accept_encoding;
    std::string remote_address;
    Instant begun;
    const Route* route = nullptr;
    std::shared_ptr<const gateway::Identity> identity;
    std::shared_ptr<const gateway::Permissions> permissions;
    std::string topic;
    std::size_t awaited = 0;  // outcomes
    BatchAnswer batch;
  };
  struct Awaited {
    ExchangeId exchange;
    std::size_t place;  // in a batch
  };
  struct Turn {
    Now now;
    socketio::Effects& effects;
  };

  [[nodiscard]] std::string request_id(const HttpRequest& request);
  /// The refusal of a request that goes no further.
  [[nodiscard]] std::optional<Error> begin(Exchange& exchange, const HttpRequest& request, std::string_view topic,
                                           Turn turn);

  // Each leaves the exchange with the worker, or says why not.
  [[nodiscard]] std::optional<Error> publish(Exchange& exchange, const HttpRequest& request, Turn turn);
  [[nodiscard]] std::optional<Error> publish_batch(Exchange& exchange, const HttpRequest& request, Turn turn);
  [[nodiscard]] std::optional<Error> subscribe(Exchange& exchange, const HttpRequest& request, Turn turn);
  [[nodiscard]] std::optional<Error> unsubscribe(Exchange& exchange, std::string_view encoded_topic);
  [[nodiscard]] std::optional<Error> disconnect(Exchange& exchange, const HttpRequest& request, Turn turn);
  /// Who asks, for the audit, and what else there is to say.
  [[nodiscard]] static std::vector<LogField> describe(const Exchange& exchange, std::vector<LogField> more);
  [[nodiscard]] Error deny(const Exchange& exchange, std::string_view what, std::string_view topic,
                           const gateway::Decision& decision, Turn turn);
  void survey(Exchange& exchange, gateway::SurveyScope scope);
  void ask_publish(Exchange& exchange, gateway::OutgoingMessage message, std::size_t place);
  /// The exchange, which is the one that is being begun, waits for this.
  void wait(Exchange& exchange, gateway::RequestId request, std::size_t place = 0);

  // Answers (rest_routes_answers.cpp).
  void on_published(Exchange& exchange, std::size_t place, const std::optional<Error>& error, Turn turn);
  void answer_survey(const Exchange& exchange, const gateway::Survey& survey, Turn turn);
  void answer_health(const Exchange& exchange, Turn turn);
  void answer(const Exchange& exchange, std::string body, Turn turn);
  void answer(const Exchange& exchange, HttpResponse response, Turn turn);
  void refuse(const Exchange& exchange, const Error& error, Turn turn);

  RestOptions options_;
  Deflater gzip_{Deflater::Format::gzip};
  gateway::Worker& worker_;
  gateway::SignIns& sign_ins_;
  AuditLog& audit_;
  Logger& logger_;
  std::string id_prefix_;
  ExchangeId last_exchange_ = 0;
  std::unordered_map<ExchangeId, Exchange> exchanges_;  // that wait for the worker
  std::unordered_map<socketio::ConnectionId, ExchangeId> by_connection_;
  std::unordered_map<gateway::RequestId, Awaited> awaited_;
};

}  // namespace famemely::api
