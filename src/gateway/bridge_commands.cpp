/// The part of the bridge that does what the workers ask of it.

#include <algorithm>
#include <utility>

#include "gateway/bridge.hpp"

namespace famemely::gateway {

void Bridge::on_commands(std::vector<LinkCommand>& commands, Now now) {
  for (LinkCommand& command : commands) {
    handle(command, now);
    // What one asks for may be there already, and the next one's answer must not come before it.
    queue_filter_events(now);
    for (auto& [worker, event] : std::exchange(users_.events(), {})) queue(worker, std::move(event));
  }
  absorb(now);
}

void Bridge::handle(LinkCommand& command, Now now) {
  if (auto* to_publish = std::get_if<PublishCommand>(&command))
    publish(*to_publish, now);
  else if (const auto* to_subscribe = std::get_if<SubscribeCommand>(&command))
    filters_.ask(*to_subscribe, now.instant + UpstreamFilters::kAskTimeout);
  else if (const auto* to_release = std::get_if<ReleaseCommand>(&command))
    filters_.release(*to_release);
  else if (const auto* to_fetch = std::get_if<RetainedCommand>(&command))
    fetch_retained(*to_fetch);
  else if (auto* again = std::get_if<RetainedAgainCommand>(&command))
    fetcher_.want_again(std::move(again->overtaken), {{again->worker, again->request, again->joined_at}});
  else if (const auto* user_subscribe = std::get_if<UserSubscribeCommand>(&command))
    users_.subscribe(*user_subscribe, now.instant);
  else if (const auto* user_unsubscribe = std::get_if<UserUnsubscribeCommand>(&command))
    users_.unsubscribe(*user_unsubscribe);
  else if (const auto* presence = std::get_if<UserPresenceCommand>(&command))
    users_.on_presence(*presence);
  else if (auto* survey = std::get_if<SurveyCommand>(&command))
    begin_survey(*survey);
  else if (auto* reply = std::get_if<SurveyReply>(&command))
    on_survey_reply(*reply);
  else if (const auto* to_disconnect = std::get_if<DisconnectCommand>(&command))
    // A session that was recovered may be with another worker than the one that made its sid: they all look.
    for (std::size_t worker = 0; worker < workers_.size(); ++worker)
      queue(worker, DisconnectWanted{to_disconnect->sid, to_disconnect->close_connection, to_disconnect->by});
  else if (auto* to_end = std::get_if<EndSessionsCommand>(&command))
    begin_ending(*to_end);
  else if (const auto* ended = std::get_if<EndSessionsReply>(&command))
    on_ending_reply(*ended);
  else if (auto* to_recover = std::get_if<RecoverCommand>(&command))
    recover(*to_recover);
  else if (auto* found = std::get_if<RecoveryReply>(&command))
    on_recovery_reply(*found, now);
  else if (const auto* over = std::get_if<SessionOverCommand>(&command))
    moved_sessions_.erase(over->pid);
}

// --- publishing ---

void Bridge::publish(PublishCommand& command, Now now) {
  const Asker asker{command.worker, command.request};
  OutgoingMessage& message = command.message;
  mqtt::Session& session = first().session();
  if (!session.connected()) return answer(asker, Error{ErrorCode::unavailable, std::string(kNotConnected)});
  if (first().put_out() - first().written() > kOutputBytesMax)
    return answer(asker, Error{ErrorCode::unavailable, "The gateway is overloaded"});
  if (session.version() == mqtt::ProtocolVersion::v3_1_1) {
    if (message.properties_asked)
      return answer(asker, Error{ErrorCode::bad_request, "properties need MQTT 5, and the broker speaks 3.1.1"});
    message.properties = {};
  }
  const mqtt::Token token = ++last_token_;
  const std::uint8_t qos = message.qos;
  auto accepted = session.publish({.token = token,
                                   .topic = std::move(message.topic),
                                   .payload = std::move(message.payload),
                                   .qos = qos,
                                   .retain = message.retain,
                                   .properties = std::move(message.properties)},
                                  now.instant, first().effects());
  if (!accepted) return answer(asker, std::move(accepted.error()));
  if (qos == 0) {
    unwritten_.push_back({first().put_out(), asker});
  } else {
    publishes_.emplace(token, asker);
    publish_deadlines_.push_back({now.instant + kPublishTimeout, token});
  }
}

// --- retained messages ---

void Bridge::fetch_retained(const RetainedCommand& command) {
  if (filters_.contains(command.filter) && (!first().session().connected() || first().session().broker().retain))
    return fetcher_.want(filters_.filter(command.filter), {command.worker, command.request, command.joined_at});
  queue(command.worker, RetainedMessages{{command.request}, std::make_shared<const RetainedList>(), false});
}

// --- surveys ---

void Bridge::begin_survey(SurveyCommand& command) {
  const std::uint64_t id = ++last_survey_;
  PendingSurvey& survey =
      surveys_.emplace(id, PendingSurvey{{command.worker, command.request}, {}, (WorkerSet{1} << workers_.size()) - 1})
          .first->second;
  survey.sum.messages_in = counters_.messages_in;
  survey.sum.messages_dropped = counters_.messages_dropped;
  users_.add_to(survey.sum, command.scope);
  const auto scope = std::make_shared<const SurveyScope>(std::move(command.scope));
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) queue(worker, SurveyQuestion{id, scope});
}

void Bridge::on_survey_reply(SurveyReply& reply) {
  const auto found = surveys_.find(reply.survey);
  if (found == surveys_.end()) return;
  PendingSurvey& survey = found->second;
  survey.sum.add(std::move(reply.part));
  survey.awaited &= ~(WorkerSet{1} << reply.worker);
  if (survey.awaited != 0) return;
  queue(survey.asker.worker, SurveyAnswer{survey.asker.request, std::make_shared<const Survey>(std::move(survey.sum))});
  surveys_.erase(found);
}

// --- sessions that an administrator ends ---

void Bridge::begin_ending(EndSessionsCommand& command) {
  const std::uint64_t id = ++last_ending_;
  endings_.emplace(id, PendingEnding{{command.worker, command.request}, 0, (WorkerSet{1} << workers_.size()) - 1});
  const auto whose = std::make_shared<const Whose>(std::move(command.whose));
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) queue(worker, EndSessions{id, whose});
}

void Bridge::on_ending_reply(const EndSessionsReply& reply) {
  const auto found = endings_.find(reply.ending);
  if (found == endings_.end()) return;
  PendingEnding& ending = found->second;
  ending.sockets += reply.sockets;
  ending.awaited &= ~(WorkerSet{1} << reply.worker);
  if (ending.awaited != 0) return;
  queue(ending.asker.worker, SessionsEnded{ending.asker.request, ending.sockets});
  endings_.erase(found);
}

}  // namespace famemely::gateway
