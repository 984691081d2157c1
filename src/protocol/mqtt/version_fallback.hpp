#pragma once

#include "protocol/mqtt/packet.hpp"
#include "protocol/mqtt/session_options.hpp"

namespace famemely::mqtt {

/// Which version the next CONNECT speaks. With VersionChoice::automatic it is 5 until a broker refuses that; the answer
/// is remembered for later connections.
class VersionFallback {
 public:
  explicit VersionFallback(VersionChoice choice)
      : choice_(choice),
        version_(choice == VersionChoice::only_3_1_1 ? ProtocolVersion::v3_1_1 : ProtocolVersion::v5) {}

  [[nodiscard]] ProtocolVersion version() const { return version_; }

  void on_accepted();
  /// The broker has accepted another connection, of this version.
  void adopt(ProtocolVersion version);
  /// A CONNACK said that it is the version. True if another one is worth a try at once.
  bool on_version_refused();
  /// No CONNACK that can be read came before the end of the connection. Some brokers answer version 5 so; but a network
  /// may do that too, so it counts only while no broker has accepted 5, and only if 3.1.1 then succeeds. True if
  /// another version is worth a try at once.
  bool on_no_answer();
  /// The CONNECT failed for a reason that says nothing about the version.
  void on_other_failure();

 private:
  VersionChoice choice_;
  ProtocolVersion version_;
  bool accepted_5_ = false;
  bool on_trial_ = false;  // 3.1.1, because a connection of version 5 ended without an answer
};

}  // namespace famemely::mqtt
