#include "protocol/mqtt/packet.hpp"

namespace famemely::mqtt {

std::string_view to_string(ProtocolVersion version) {
  switch (version) {
    case ProtocolVersion::v3_1_1:
      return "3.1.1";
    case ProtocolVersion::v5:
      return "5";
  }
  return "unknown";
}

}  // namespace famemely::mqtt
