#include "socketio/namespace.hpp"

#include "socketio/node.hpp"
#include "socketio/socket.hpp"

namespace famemely::socketio {

void Namespace::server_side_emit_values(std::string name, const Values& values) const {
  const auto parsed = JsonView::parse("[" + values.json() + "]");
  std::vector<std::string> args;
  if (parsed)
    for (const JsonView& element : parsed->elements()) args.emplace_back(element.raw());
  node_.tell(ServerEvent{name_, std::move(name), Arguments(std::move(args), values.attachments()), node_.id()}, false);
}

std::vector<Socket*> Namespace::local_sockets() const {
  std::vector<Socket*> sockets;
  sockets.reserve(sockets_.size());
  for (const auto& [sid, socket] : sockets_) sockets.push_back(socket);
  return sockets;
}

Socket* Namespace::find(const std::string& sid) const {
  const auto found = sockets_.find(sid);
  return found == sockets_.end() ? nullptr : found->second;
}

}  // namespace famemely::socketio
