#include "gateway/claim_path.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace famemely::gateway {
namespace {

constexpr std::string_view kRoleClaimsDefault = "role,user_role,app_metadata.role,app_metadata.roles";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

Result<ClaimPath, std::string> ClaimPath::parse(std::string_view text) {
  if (text.empty()) return failure(std::string("the name of a claim is empty"));
  if (text.front() == '.' || text.back() == '.' || text.find("..") != std::string_view::npos) {
    return failure(fmt::format("`{}` is no name of a claim: it holds an empty part", text));
  }
  return ClaimPath(std::string(text));
}

std::optional<JsonView> ClaimPath::find_in(const JsonView& claims) const {
  std::optional<JsonView> value = claims;
  std::string_view rest = text_;
  while (value && !rest.empty()) {
    const auto dot = rest.find('.');
    value = value->find(rest.substr(0, dot));
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  return value;
}

Result<RoleClaims, std::string> RoleClaims::parse(const std::vector<std::string>& paths) {
  RoleClaims claims;
  for (const std::string& text : paths) {
    auto path = ClaimPath::parse(text);
    if (!path) return failure(std::move(path.error()));
    if (path->first_name() == "user_metadata") {
      return failure(fmt::format("`{}` can't hold roles: users write user_metadata themselves", text));
    }
    claims.paths_.push_back(std::move(*path));
  }
  return claims;
}

Result<RoleClaims, std::string> RoleClaims::parse(std::string_view list) {
  std::vector<std::string> paths;
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view entry = trimmed(list.substr(0, comma));
    if (!entry.empty()) paths.emplace_back(entry);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return parse(paths);
}

RoleClaims RoleClaims::defaults() { return *parse(kRoleClaimsDefault); }

std::vector<std::string> RoleClaims::roles_of(const JsonView& claims) const {
  std::vector<std::string> roles;
  const auto add = [&](const JsonView& value) {
    auto role = value.as_string();
    if (role && !role->empty() && std::ranges::find(roles, *role) == roles.end()) roles.push_back(std::move(*role));
  };
  for (const ClaimPath& path : paths_) {
    const auto value = path.find_in(claims);
    if (!value) continue;
    add(*value);
    for (const JsonView& element : value->elements()) add(element);
  }
  return roles;
}

}  // namespace famemely::gateway
