#include "app/reloads.hpp"

#include <algorithm>

namespace famemely::app {

void Reloads::run_all() const {
  for (const Named& named : parts_) run(named);
}

void Reloads::run(std::string_view what) const {
  const auto found = std::ranges::find(parts_, what, &Named::what);
  if (found != parts_.end()) run(*found);
}

void Reloads::run(const Named& named) const {
  if (const auto fault = named.part())
    logger_.error("reload failed, keeping the old", {{"what", named.what}, {"error", *fault}});
  else
    logger_.info("reloaded", {{"what", named.what}});
}

}  // namespace famemely::app
