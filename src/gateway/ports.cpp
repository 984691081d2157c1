#include "gateway/ports.hpp"

namespace famemely::gateway {
namespace {
constexpr std::size_t kItemWeight = 128;
}  // namespace

std::size_t weight(const LinkCommand& command) {
  const auto* publish = std::get_if<PublishCommand>(&command);
  return kItemWeight + (publish ? publish->message.payload.size() : 0);
}

std::size_t weight(const WorkerEvent& event) {
  const auto* delivery = std::get_if<Delivery>(&event);
  return kItemWeight + (delivery ? delivery->frame.size() : 0);
}

}  // namespace famemely::gateway
