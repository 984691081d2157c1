#include "app/config.hpp"

#include <algorithm>

#include "io/jwks_source.hpp"

namespace famemely::app {

bool Config::loopback_only() const {
  const auto is_loopback = [](const std::string& address) {
    return address == "::1" || address.starts_with("127.") || address.starts_with("::ffff:127.");
  };
  return !host.empty() && std::ranges::all_of(host, is_loopback);
}

std::string Config::jwks_location() const {
  if (!supabase_jwks_url.empty() || supabase_url.empty()) return supabase_jwks_url;
  std::string location = supabase_url + "/auth/v1/.well-known/jwks.json";
  // A project that is reached in plain text, as within a network of containers, has no keys that could be trusted.
  return io::JwksLocation::parse(location) ? location : "";
}

std::string Config::issuer() const { return supabase_url.empty() ? "" : supabase_url + "/auth/v1"; }

}  // namespace famemely::app
