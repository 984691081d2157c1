#include "gateway/retained_fetcher.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::gateway {
namespace {

/// A fetch that lost its connection begins again soon: somebody waits for it.
constexpr std::chrono::milliseconds kReconnectMin{100};
constexpr std::chrono::milliseconds kReconnectMax{5'000};

}  // namespace

RetainedFetcher::RetainedFetcher(mqtt::SessionOptions session, std::size_t subscribe_batch,
                                 std::size_t payload_bytes_max, bool offsets, MessageEncoder encode_message,
                                 RandomSource& random, Logger& logger)
    : session_(std::move(session)),
      subscribe_batch_(std::max<std::size_t>(subscribe_batch, 1)),
      payload_bytes_max_(payload_bytes_max),
      offsets_(offsets),
      encode_message_(encode_message),
      random_(random),
      logger_(logger),
      reconnect_(kReconnectMin, kReconnectMax) {}

std::size_t RetainedFetcher::fingerprint(std::string_view payload) {
  constexpr std::size_t kEnd = 512;
  const std::hash<std::string_view> hash;
  if (payload.size() <= 2 * kEnd) return hash(payload);
  return hash(payload.substr(0, kEnd)) * 31 + hash(payload.substr(payload.size() - kEnd)) + payload.size();
}

// --- wishes ---

void RetainedFetcher::want(const mqtt::TopicFilter& filter, Wish wish) {
  const auto [place, fresh] = wanted_places_.try_emplace(filter.text(), taken_ + wanted_.size());
  if (fresh) wanted_.push_back({.filters = {filter}, .wishes = {}});
  wanted_[place->second - taken_].wishes.push_back(wish);
}

void RetainedFetcher::want_again(std::map<std::string, MessageSequence> overtaken, const std::vector<Wish>& wishes) {
  while (!overtaken.empty()) {
    Portion portion{.filters = {}, .wishes = wishes};
    while (!overtaken.empty() && portion.filters.size() < kFiltersPerFetchMax) {
      // A topic that came from the broker; should it be no filter of ours, it is not fetched again.
      if (auto filter = mqtt::TopicFilter::parse(overtaken.begin()->first)) {
        portion.filters.push_back(*std::move(filter));
        portion.overtaken.insert(overtaken.extract(overtaken.begin()));
      } else {
        overtaken.erase(overtaken.begin());
      }
    }
    portion.more = !overtaken.empty();
    if (!portion.filters.empty()) wanted_.push_back(std::move(portion));
  }
}

std::vector<RetainedFetcher::Portion> RetainedFetcher::take_next() {
  const bool numbered = session_.broker().subscription_identifiers;
  const auto plain = [](const Portion& portion) {
    return !portion.second_time() && !portion.filters.front().has_wildcard();
  };
  std::vector<Portion> taken;
  while (!wanted_.empty() && taken.size() < kFiltersPerFetchMax) {
    // Without identifiers, plain topics alone can be told apart.
    if (!taken.empty() && !numbered && !(plain(taken.back()) && plain(wanted_.front()))) break;
    const auto known = wanted_places_.find(wanted_.front().filters.front().text());
    if (known != wanted_places_.end() && known->second == taken_) wanted_places_.erase(known);
    taken.push_back(std::move(wanted_.front()));
    wanted_.pop_front();
    ++taken_;
  }
  return taken;
}

// --- fetching ---

void RetainedFetcher::act(MessageSequence last_live, Now now) {
  if (!allowed_ || stopped_) {
    if (!running_) fetch_deadline_ = kNever;
    return;
  }
  if (!busy()) return;
  idle_at_ = kNever;
  if (fetch_deadline_ == kNever) fetch_deadline_ = now.instant + kFetchTimeout;
  if (running_) return;
  if (session_.connected())
    begin(now, last_live);
  else if (!attempting_ && open_at_ == kNever)
    open_wish_ = attempting_ = true;
}

void RetainedFetcher::begin(Now now, MessageSequence last_live) {
  running_ = Running{.portions = take_next()};
  fetch_deadline_ = now.instant + kFetchTimeout;
  const bool numbered = session_.broker().subscription_identifiers;
  std::uint32_t number = 0;
  for (Portion& portion : running_->portions) {
    portion.started_at = last_live;
    ++number;
    for (std::size_t at = 0; at < portion.filters.size(); at += subscribe_batch_) {
      mqtt::SubscribeCommand command{.token = ++last_token_, .entries = {}};
      for (std::size_t i = at; i < std::min(at + subscribe_batch_, portion.filters.size()); ++i)
        command.entries.push_back({.filter = portion.filters[i], .qos = 0});
      if (numbered) command.subscription_identifier = number;
      if (const auto accepted = session_.subscribe(command, now.instant, effects_); accepted) {
        ++running_->subscribes;
      } else {
        ++incomplete_;
        logger_.warn("retained messages not fetched",
                     {{"topic", portion.filters[at].text()}, {"reason", accepted.error().text()}});
      }
    }
  }
  ping_ = ++last_token_;
  session_.ping(ping_, now.instant, effects_);
  absorb(now);
}

void RetainedFetcher::on_message(const mqtt::MessageReceived& message, Now now) {
  // Live messages come without the flag, because nothing was subscribed "as published".
  if (!message.retain || !running_) return;
  on_progress(now);
  bool numbered = false;
  for (const std::uint32_t number : message.subscription_identifiers) {
    numbered = true;
    if (number >= 1 && number <= running_->portions.size()) add(running_->portions[number - 1], message, now);
  }
  if (numbered) return;
  for (Portion& portion : running_->portions)
    if (std::ranges::any_of(portion.filters,
                            [&](const mqtt::TopicFilter& filter) { return matches(filter, message.topic); }))
      add(portion, message, now);
}

void RetainedFetcher::add(Portion& portion, const mqtt::MessageReceived& message, Now now) {
  if (message.payload.size() > payload_bytes_max_) {
    logger_.warn("message too large", {{"topic", message.topic}, {"bytes", message.payload.size()}});
    return;
  }
  if (running_->bytes > kFetchBytesMax) {
    running_->over_limit = true;
    return;
  }
  std::string offset;
  if (offsets_) offset = "r" + std::to_string(++last_offset_);
  MessageEvent event = encode_message_(message, true, to_iso8601(now.wall), offset);
  running_->bytes += event.frame.size();
  portion.messages.push_back(
      {.topic = std::string(message.topic), .frame = std::move(event.frame), .offset = std::move(offset)});
  portion.fingerprints.push_back(fingerprint(message.payload));
}

/// Something that the end of the fetch waits for has come.
void RetainedFetcher::on_progress(Now now) {
  if (!running_->ponged || running_->subscribes > 0) return;
  if (out_of_order_) {
    quiet_at_ = now.instant + kQuietTime;
    return;
  }
  complete(now);
}

void RetainedFetcher::complete(Now now) {
  finish(running_->over_limit ? "too many bytes" : "");
  idle_at_ = now.instant + kIdleTimeout;
}

void RetainedFetcher::finish(std::string_view why_incomplete) {
  fetch_deadline_ = quiet_at_ = kNever;
  if (!why_incomplete.empty()) {
    ++incomplete_;
    logger_.warn("incomplete fetch of retained messages",
                 {{"reason", why_incomplete}, {"filters", running_->portions.size()}});
  }
  for (Portion& portion : running_->portions) {
    to_unsubscribe_.insert(to_unsubscribe_.end(), portion.filters.begin(), portion.filters.end());
    fetched_.push_back(std::move(portion));
  }
  running_.reset();
}

void RetainedFetcher::unsubscribe(Now now) {
  for (std::size_t at = 0; at < to_unsubscribe_.size(); at += subscribe_batch_) {
    const auto from = to_unsubscribe_.begin() + static_cast<std::ptrdiff_t>(at);
    const auto to =
        to_unsubscribe_.begin() + static_cast<std::ptrdiff_t>(std::min(at + subscribe_batch_, to_unsubscribe_.size()));
    const mqtt::UnsubscribeCommand command{.token = ++last_token_, .filters = {from, to}};
    if (!session_.unsubscribe(command, now.instant, effects_)) close_wish_ = true;  // a new connection holds nothing
  }
  to_unsubscribe_.clear();
}

// --- the session ---

void RetainedFetcher::absorb(Now now) {
  for (;;) {
    output_.append(effects_.output);
    effects_.output.clear();
    events_.swap(effects_.events);
    for (const mqtt::SessionEvent& event : events_) handle(event, now);
    events_.clear();
    if (session_.connected() && !to_unsubscribe_.empty()) unsubscribe(now);
    if (effects_.events.empty() && effects_.output.empty()) return;
  }
}

void RetainedFetcher::handle(const mqtt::SessionEvent& event, Now now) {
  if (const auto* message = std::get_if<mqtt::MessageReceived>(&event)) return on_message(*message, now);
  if (const auto* pong = std::get_if<mqtt::PingCompleted>(&event)) {
    if (!running_ || pong->token != ping_) return;
    running_->ponged = true;
    if (running_->subscribes > 0 && !std::exchange(out_of_order_, true))
      logger_.info("broker answers out of order", {{"hint", "fetches of retained messages end after a short silence"}});
    on_progress(now);
  } else if (const auto* subscribed = std::get_if<mqtt::SubscribeCompleted>(&event)) {
    if (!subscribed->lost && std::ranges::any_of(subscribed->codes, mqtt::is_failure))
      logger_.warn(
          "retained messages not fetched",
          {{"reason", subscribed->reason_string.empty() ? "subscription refused" : subscribed->reason_string}});
    if (subscribed->lost || !running_ || running_->subscribes == 0) return;
    --running_->subscribes;
    on_progress(now);
  } else if (std::holds_alternative<mqtt::Connected>(event)) {
    redirects_.on_accepted();
    reconnect_.on_success(now.instant);
    idle_at_ = now.instant + kIdleTimeout;
    logger_.debug("retained fetcher connected", {{"client_id", session_.client_id()}});
  } else if (const auto* failed = std::get_if<mqtt::ConnectFailed>(&event)) {
    redirects_.note(failed->code, failed->server_reference, logger_);
    on_connection_over(failed->reason, failed->retry_at_once, now);
  } else if (const auto* gone = std::get_if<mqtt::Disconnected>(&event)) {
    redirects_.note(gone->code, gone->server_reference, logger_);
    on_connection_over(gone->reason, false, now);
  }
}

void RetainedFetcher::on_connection_over(const std::string& said, bool retry_at_once, Now now) {
  const std::string reason = with_cause(said);
  redirects_.on_over(retry_at_once);
  attempting_ = false;
  close_wish_ = true;
  to_unsubscribe_.clear();
  idle_at_ = quiet_at_ = kNever;
  if (running_) {
    // From the beginning, on the next connection, as long as there is time.
    for (Portion& portion : running_->portions) {
      portion.messages.clear();
      portion.fingerprints.clear();
    }
    taken_ -= running_->portions.size();
    wanted_.insert(wanted_.begin(), std::make_move_iterator(running_->portions.begin()),
                   std::make_move_iterator(running_->portions.end()));
    running_.reset();
  }
  if (!busy() || stopped_) return;
  const Duration delay = retry_at_once ? Duration::zero() : reconnect_.on_failure(now.instant, random_);
  if (!retry_at_once) logger_.warn("retained fetcher disconnected", {{"reason", reason}});
  open_at_ = now.instant + delay;
}

void RetainedFetcher::on_transport_open(Now now) {
  session_.on_transport_open(attempt_began(now), effects_);
  absorb(now);
}

void RetainedFetcher::on_bytes(std::string_view bytes, Now now) {
  session_.on_bytes(bytes, now.instant, effects_);
  absorb(now);
}

void RetainedFetcher::on_transport_closed(const std::string& why, Now now) {
  session_.on_transport_closed(now.instant, effects_);
  absorb(now);
  if (attempting_) on_connection_over(why, false, now);
  close_wish_ = false;
  output_.clear();
}

void RetainedFetcher::on_timer(Now now) {
  if (open_at_ <= now.instant) {
    open_at_ = kNever;
    if (!stopped_ && allowed_ && busy()) open_wish_ = attempting_ = true;
  }
  session_.on_timer(now.instant, effects_);
  absorb(now);
  if (quiet_at_ <= now.instant) complete(now);
  if (fetch_deadline_ <= now.instant) {
    const bool was_running = running_.has_value();
    if (!was_running) running_ = Running{.portions = {}};
    // Without a connection by now, nothing that is wanted can be fetched.
    for (; !was_running && !wanted_.empty(); wanted_.pop_front(), ++taken_)
      running_->portions.push_back(std::move(wanted_.front()));
    if (!was_running) wanted_places_.clear();
    finish(was_running ? "the broker did not answer in time" : "no connection");
    if (was_running) idle_at_ = now.instant;
  }
  if (idle_at_ <= now.instant) {
    idle_at_ = kNever;
    session_.disconnect(mqtt::ReasonCode::success, now.instant, effects_);
    absorb(now);
  }
}

Instant RetainedFetcher::next_deadline() const {
  return std::min({session_.next_deadline(), open_at_, fetch_deadline_, quiet_at_, idle_at_});
}

void RetainedFetcher::stop(Now now) {
  stopped_ = true;
  open_at_ = fetch_deadline_ = idle_at_ = kNever;
  open_wish_ = false;
  session_.disconnect(mqtt::ReasonCode::success, now.instant, effects_);
  absorb(now);
}

}  // namespace famemely::gateway
