#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace famemely::mqtt {

struct UserProperty {
  std::string name;
  std::string value;
  bool operator==(const UserProperty&) const = default;
};

/// The properties that travel with a message from its publisher to its receivers (MQTT 5 section 3.3.2.3).
struct PublishProperties {
  std::optional<std::uint32_t> message_expiry_s{};
  std::optional<std::string> content_type{};
  std::optional<std::string> response_topic{};
  std::optional<std::string> correlation_data{};
  std::vector<UserProperty> user_properties{};
  bool payload_is_utf8 = false;  // Payload Format Indicator 1

  [[nodiscard]] bool empty() const;
  bool operator==(const PublishProperties&) const = default;
};

/// Why a broker may refuse these properties, or end the connection over them (a text that is too long or no text for a
/// broker, a response topic that is no topic), as a sentence; nothing if they can be sent.
[[nodiscard]] std::optional<std::string> fault_of(const PublishProperties& properties);

struct UserPropertyView {
  std::string_view name;
  std::string_view value;
  bool operator==(const UserPropertyView&) const = default;
};

/// The user properties of a received packet, read from its bytes while one iterates: nothing is copied or allocated.
class UserPropertiesView {
 public:
  class Iterator {
   public:
    using value_type = UserPropertyView;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(std::string_view rest) : rest_(rest) { advance(); }
    const UserPropertyView& operator*() const { return current_; }
    const UserPropertyView* operator->() const { return &current_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      advance();
      return before;
    }
    bool operator==(std::nullptr_t) const { return done_; }

   private:
    void advance();
    std::string_view rest_;
    UserPropertyView current_;
    bool done_ = false;
  };

  UserPropertiesView() = default;
  /// The section must have passed the decoder.
  UserPropertiesView(std::string_view section, bool any) : section_(any ? section : std::string_view()) {}

  [[nodiscard]] Iterator begin() const { return Iterator(section_); }
  [[nodiscard]] std::nullptr_t end() const { return nullptr; }
  [[nodiscard]] bool empty() const { return section_.empty(); }

 private:
  std::string_view section_;
};

/// The subscription identifiers of a received PUBLISH, in the order of the packet.
class SubscriptionIdentifiersView {
 public:
  class Iterator {
   public:
    using value_type = std::uint32_t;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(std::string_view rest) : rest_(rest) { advance(); }
    std::uint32_t operator*() const { return current_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      advance();
      return before;
    }
    bool operator==(std::nullptr_t) const { return done_; }

   private:
    void advance();
    std::string_view rest_;
    std::uint32_t current_ = 0;
    bool done_ = false;
  };

  SubscriptionIdentifiersView() = default;
  /// The section must have passed the decoder.
  SubscriptionIdentifiersView(std::string_view section, bool any) : section_(any ? section : std::string_view()) {}

  [[nodiscard]] Iterator begin() const { return Iterator(section_); }
  [[nodiscard]] std::nullptr_t end() const { return nullptr; }
  [[nodiscard]] bool empty() const { return section_.empty(); }

 private:
  std::string_view section_;
};

/// What a received PUBLISH carries, as views of its bytes.
struct PublishPropertiesView {
  std::optional<std::uint32_t> message_expiry_s{};
  std::optional<std::string_view> content_type{};
  std::optional<std::string_view> response_topic{};
  std::optional<std::string_view> correlation_data{};
  UserPropertiesView user_properties{};
  bool payload_is_utf8 = false;

  /// True if nothing of what travels with the message is there.
  [[nodiscard]] bool empty() const;
  [[nodiscard]] PublishProperties copy() const;
};

}  // namespace famemely::mqtt
