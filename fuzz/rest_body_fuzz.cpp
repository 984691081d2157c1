// Whatever body a signed-in user sends to a route that takes one: there is one answer, of a status that the contract
// knows and with a body that is JSON, or something is asked of the link that a broker can be given.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "api/testing.hpp"
#include "base/json_text.hpp"

namespace {

using namespace famemely;
using api::testing::Bench;

struct Target {
  const char* method;
  const char* path;
};
constexpr std::array kTargets{
    Target{"POST", "/mqtt/publish"},   Target{"POST", "/mqtt/publish/batch"},  Target{"POST", "/mqtt/subscribe"},
    Target{"POST", "/mqtt/broadcast"}, Target{"DELETE", "/mqtt/unsubscribe/"},
};
constexpr std::array kStatuses{200, 201, 400, 403, 404, 413, 415, 429, 503};
/// A bench remembers every answer.
constexpr int kInputsPerBench = 500;

void check(const mqtt::TopicName& topic) {
  if (!mqtt::TopicName::parse(topic.text())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<Bench> bench;
  static int inputs = 0;
  if (!bench || ++inputs % kInputsPerBench == 0) bench = std::make_unique<Bench>();
  if (size == 0) return 0;
  const Target& target = kTargets[data[0] % kTargets.size()];
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool in_path = std::string_view(target.method) == "DELETE";
  const std::size_t bytes = body.size();
  const auto connection = bench->ask(target.method, in_path ? target.path + body : std::string(target.path),
                                     in_path ? std::string() : body, data[0] % 2 == 0 ? "alice" : "root");
  const std::string answer = bench->answer(connection);
  if (!answer.empty()) {
    const int status = std::stoi(answer.substr(0, 3));
    if (std::ranges::find(kStatuses, status) == kStatuses.end() || !JsonView::parse(answer.substr(4))) std::abort();
  }
  std::size_t asked = 0;
  std::size_t payloads = 0;
  for (const gateway::LinkCommand& command : bench->asked_anything()) {
    ++asked;
    if (const auto* publish = std::get_if<gateway::PublishCommand>(&command)) {
      check(publish->message.topic);
      payloads += publish->message.payload.size();
      if (publish->message.qos > 2) std::abort();
      bench->tell(gateway::PublishAnswer{publish->request, std::nullopt});
    } else if (const auto* subscribe = std::get_if<gateway::UserSubscribeCommand>(&command)) {
      if (!mqtt::TopicFilter::parse(subscribe->filter.text()) || subscribe->qos > 2) std::abort();
      bench->tell(
          gateway::UserSubscribeAnswer{subscribe->request, failure(Error{ErrorCode::unavailable, "no broker here"})});
    } else if (const auto* unsubscribe = std::get_if<gateway::UserUnsubscribeCommand>(&command)) {
      bench->tell(gateway::UserUnsubscribeAnswer{unsubscribe->request, std::nullopt});
    }
  }
  // A broadcast adds two members.
  if (payloads > bytes + 100) std::abort();
  if (answer.empty() && asked == 0) std::abort();
  if (bench->answer(connection).empty()) std::abort();
  return 0;
}
