// A backend that sends notifications to users, and hears of all that are sent:
//
//     notification-service [broker URL [user id [notification]]]
//
// It sends the notification, tells of those that come, and ends with its standard input.

#include <famemely/mqtt_service.hpp>
#include <iostream>
#include <limits>
#include <string>

class NotificationService {
 public:
  explicit NotificationService(famemely::MqttService& mqtt)
      : mqtt_(mqtt),
        registration_(mqtt.register_message_handler(
            "notifications/#", [this](const famemely::MqttMessage& message) { handle_notification(message); })) {}

  /// Returns once the broker has the notification.
  void send_notification(const std::string& user_id, const std::string& notification) {
    mqtt_.publish({.topic = "notifications/" + user_id, .payload = notification, .qos = 1, .retain = false}).get();
  }

  /// Returns once the broker sends us notifications.
  void wait_until_subscribed() { registration_.subscribed().get(); }

 private:
  void handle_notification(const famemely::MqttMessage& message) {
    std::cout << "Received notification: " << message.topic << " " << message.payload << std::endl;
  }

  famemely::MqttService& mqtt_;
  // The last member: the handler must end before what it uses.
  famemely::MessageHandlerRegistration registration_;
};

int main(int argc, char** argv) {
  try {
    famemely::MqttService mqtt({.url = argc > 1 ? argv[1] : "mqtt://localhost"});
    NotificationService notifications(mqtt);
    mqtt.connect().get();
    notifications.wait_until_subscribed();
    notifications.send_notification(argc > 2 ? argv[2] : "42", argc > 3 ? argv[3] : R"({"title":"Welcome"})");
    std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  } catch (const std::exception& error) {
    std::cerr << "notification-service: " << error.what() << "\n";
    return 1;
  }
}
