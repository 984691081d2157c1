#include "app/config.hpp"

#include <algorithm>

namespace famemely::app {

bool Config::loopback_only() const {
  const auto is_loopback = [](const std::string& address) {
    return address == "::1" || address.starts_with("127.") || address.starts_with("::ffff:127.");
  };
  return !host.empty() && std::ranges::all_of(host, is_loopback);
}

std::string Config::issuer() const { return supabase_url.empty() ? "" : supabase_url + "/auth/v1"; }

}  // namespace famemely::app
