#include "protocol/mqtt/version_fallback.hpp"

namespace famemely::mqtt {

void VersionFallback::on_accepted() {
  if (version_ == ProtocolVersion::v5) accepted_5_ = true;
  on_trial_ = false;
}

void VersionFallback::adopt(ProtocolVersion version) {
  version_ = version;
  on_accepted();
}

bool VersionFallback::on_version_refused() {
  if (choice_ != VersionChoice::automatic) return false;
  on_trial_ = false;
  const bool was_5 = version_ == ProtocolVersion::v5;
  version_ = was_5 ? ProtocolVersion::v3_1_1 : ProtocolVersion::v5;
  return was_5;  // else both are refused: the next attempt is made in its own time
}

bool VersionFallback::on_no_answer() {
  if (choice_ != VersionChoice::automatic) return false;
  if (version_ == ProtocolVersion::v5 && !accepted_5_) {
    version_ = ProtocolVersion::v3_1_1;
    on_trial_ = true;
    return true;
  }
  on_other_failure();
  return false;
}

void VersionFallback::on_other_failure() {
  if (!on_trial_) return;
  version_ = ProtocolVersion::v5;
  on_trial_ = false;
}

}  // namespace famemely::mqtt
