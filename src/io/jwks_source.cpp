#include "io/jwks_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "base/http_message.hpp"
#include "io/small_file.hpp"
#include "serving/clocks.hpp"

namespace famemely::io {
namespace {

constexpr const char* kNotYet = "the keys of the JWKS could not be fetched yet; try again later";
constexpr const char* kTooOld = "the JWKS could not be fetched for longer than JWKS_MAX_STALE; try again later";

/// `file:/path`, `file:path`, `file:///path` and `file://localhost/path` (RFC 8089).
Result<std::string, std::string> path_of(std::string_view text) {
  text.remove_prefix(std::string_view("file:").size());
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    if (text.starts_with("localhost/")) text.remove_prefix(std::string_view("localhost").size());
    if (!text.starts_with('/')) return failure(std::string("a file of another host can't be read"));
  }
  auto path = percent_decode(text);
  if (!path || path->empty()) return failure(std::string("its path is empty or badly encoded"));
  return *std::move(path);
}

}  // namespace

Result<JwksLocation, std::string> JwksLocation::parse(std::string_view text) {
  JwksLocation location;
  if (equals_ignoring_case(text.substr(0, 5), "file:")) {
    auto path = path_of(text);
    if (!path) return failure(std::move(path.error()));
    location.file = *std::move(path);
    return location;
  }
  auto url = HttpUrl::parse(text);
  if (!url) return failure(std::move(url.error()));
  if (!url->tls && !url->is_loopback())
    return failure(
        std::string("keys that come in plain text can be exchanged on the way; http:// is allowed to this "
                    "machine only, use https:// or file:"));
  location.url = *std::move(url);
  return location;
}

JwksSource::JwksSource(boost::asio::io_context& loop, JwksLocation location, std::chrono::milliseconds max_stale,
                       std::unique_ptr<TlsContext> tls, gateway::Authenticator& authenticator, Logger& logger)
    : loop_(loop),
      location_(std::move(location)),
      max_stale_(max_stale),
      tls_(std::move(tls)),
      authenticator_(authenticator),
      logger_(logger),
      get_(loop, *tls_),
      schedule_(max_stale, serving::read_clocks().instant),
      timer_(loop) {
  state_.absence = kNotYet;
  authenticator_.set_jwks(state_);
  authenticator_.set_on_unknown_key([this] {
    boost::asio::post(loop_, [this] {
      schedule_.on_unknown_key(serving::read_clocks().instant);
      arm();
    });
  });
}

JwksSource::~JwksSource() = default;

void JwksSource::start() {
  if (!location_.url) watch_.emplace(loop_, location_.file, [this] { reload(); });
  fetch();
  const Instant deadline = serving::read_clocks().instant + kFirstWait;
  while (state_.fetches + state_.failures == 0 && serving::read_clocks().instant < deadline)
    loop_.run_one_until(deadline);
  if (loop_.stopped()) loop_.restart();
  if (state_.fetches + state_.failures == 0)
    logger_.warn("jwks not here yet, starting without it", {{"from", location_.shown()}});
}

void JwksSource::reload() {
  schedule_.on_demand(serving::read_clocks().instant);
  arm();
}

void JwksSource::fetch() {
  schedule_.on_begin(serving::read_clocks().instant);
  if (location_.url)
    return get_.get(*location_.url, kTimeout,
                    [this](Result<HttpGet::Answer, std::string> answer) { on_answer(std::move(answer)); });
  auto text = read_small_file(location_.file, HttpGet::kBodyBytesMax);
  if (text)
    on_answer(HttpGet::Answer{*std::move(text)});
  else
    on_answer(failure(text.error()));
}

void JwksSource::on_answer(Result<HttpGet::Answer, std::string> answer) {
  auto keys = answer ? jwt::KeySet::parse(answer->body) : failure(answer.error());
  if (keys)
    accept(*std::move(keys), answer->fresh_for);
  else
    fail(keys.error());
  authenticator_.expect_keys();
  arm();
}

void JwksSource::accept(jwt::KeySet keys, std::optional<std::chrono::seconds> fresh_for) {
  const Now now = serving::read_clocks();
  schedule_.on_success(fresh_for, now.instant);
  const bool changed = state_.fetches == 0 || !state_.absence.empty() || !state_.keys->same_keys(keys);
  log_keys(keys, changed);
  state_.keys = std::make_shared<const jwt::KeySet>(std::move(keys));
  state_.absence.clear();
  state_.fetched_at = now.wall;
  ++state_.fetches;
  failing_ = false;
  authenticator_.set_jwks(state_);
}

void JwksSource::log_keys(const jwt::KeySet& keys, bool changed) {
  if (changed || failing_)
    logger_.info("jwks fetched", {{"from", location_.shown()}, {"keys", keys.size()}});
  else
    logger_.debug("jwks fetched", {{"from", location_.shown()}, {"keys", keys.size()}});
  if (state_.fetches > 0 && state_.keys->skipped() == keys.skipped()) return;
  for (const std::string& what : keys.skipped())
    logger_.warn("jwks key left out", {{"from", location_.shown()}, {"why", what}});
}

void JwksSource::fail(const std::string& why) {
  const Now now = serving::read_clocks();
  schedule_.on_failure(now.instant);
  ++state_.failures;
  failing_ = true;
  authenticator_.set_jwks(state_);
  const auto retry = std::chrono::ceil<std::chrono::seconds>(schedule_.next_fetch() - now.instant);
  std::vector<LogField> fields{{"from", location_.shown()}, {"error", why}, {"retry_s", retry.count()}};
  if (state_.fetched_at)
    fields.emplace_back("keys_of", to_iso8601(*state_.fetched_at));
  else
    fields.emplace_back("keys_of", "none: tokens that need a key of the JWKS are refused until it is here");
  logger_.warn("jwks not fetched", fields);
}

void JwksSource::end_keys() {
  schedule_.on_end_of_keys();
  state_.keys = std::make_shared<const jwt::KeySet>();
  state_.absence = kTooOld;
  state_.fetched_at.reset();
  authenticator_.set_jwks(state_);
  logger_.error("jwks too old", {{"from", location_.shown()},
                                 {"max_stale_s", std::chrono::ceil<std::chrono::seconds>(max_stale_).count()}});
}

void JwksSource::arm() {
  const Instant due = std::min(schedule_.next_fetch(), schedule_.end_of_keys());
  if (due == kNever) return void(timer_.cancel());
  timer_.expires_at(due);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    const Instant now = serving::read_clocks().instant;
    if (now >= schedule_.end_of_keys()) end_keys();
    if (now >= schedule_.next_fetch())
      fetch();
    else
      arm();
  });
}

}  // namespace famemely::io
