#include "socketio/definitions.hpp"

namespace famemely::socketio {

void Next::operator()() const { decide(std::nullopt, std::nullopt); }

void Next::refuse(std::string message) const { decide(std::move(message), std::nullopt); }

void Next::refuse(std::string message, const Json& data) const { decide(std::move(message), data); }

void Next::decide(std::optional<std::string> refusal, const std::optional<Json>& data) const {
  if (const Decide once = std::exchange(*decide_, nullptr)) once(std::move(refusal), data);
}

NamespaceDefinition& Definitions::of(std::string_view name) {
  // As clients do: a name without its slash means the same.
  const std::string full = name.starts_with('/') ? std::string(name) : "/" + std::string(name);
  for (const auto& [known, definition] : named_)
    if (known == full) return *definition;
  return *named_.emplace_back(full, std::make_unique<NamespaceDefinition>()).second;
}

NamespaceDefinition& Definitions::of(NamespacePredicate predicate) {
  return *dynamic_.emplace_back(std::move(predicate), std::make_unique<NamespaceDefinition>()).second;
}

const NamespaceDefinition* Definitions::find(std::string_view name, std::string_view auth_json) const {
  for (const auto& [known, definition] : named_)
    if (known == name) return definition.get();
  for (const auto& [predicate, definition] : dynamic_)
    if (predicate(name, auth_json)) return definition.get();
  return nullptr;
}

std::vector<std::string> Definitions::names() const {
  std::vector<std::string> names;
  names.reserve(named_.size());
  for (const auto& [name, definition] : named_) names.push_back(name);
  return names;
}

}  // namespace famemely::socketio
