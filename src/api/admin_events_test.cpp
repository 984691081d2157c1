#include "api/admin_events.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.hpp"
#include "protocol/jwt/testing.hpp"

namespace famemely::api {
namespace {

using gateway::DisconnectCommand;
using gateway::DisconnectWanted;
using gateway::SurveyCommand;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::string_view kRoot = R"(,"user_role":"admin")";
constexpr const char* kRefused = R"(44/admin,{"message":"invalid credentials","data":{"statusCode":401}})";

class AdminEventsTest : public ::testing::Test {
 protected:
  /// Comes with this auth object; what it is told stands in `received`.
  socketio::ConnectionId come(const std::string& auth) {
    const socketio::ConnectionId connection = bench.open("https://admin.socket.io");
    bench.send(connection, "40/admin," + auth);
    return connection;
  }
  socketio::ConnectionId sign_in() { return come(credentials(bench.token("root", kRoot))); }
  static std::string credentials(const std::string& password) {
    return R"({"username":"whoever","password":")" + password + "\"}";
  }
  /// Answers the survey that has been asked for; false if none has.
  bool answer_survey(gateway::Survey survey = {}) {
    const auto asked = bench.asked<SurveyCommand>();
    if (asked.empty()) return false;
    EXPECT_THAT(asked, SizeIs(1));
    EXPECT_TRUE(asked.front().scope.sockets);
    bench.tell(
        gateway::SurveyAnswer{asked.front().request, std::make_shared<const gateway::Survey>(std::move(survey))});
    return true;
  }
  static gateway::Survey with_socket(std::string sid) {
    gateway::Survey survey{.connected_clients = 1};
    survey.sockets.push_back({.sid = std::move(sid),
                              .user_id = "alice",
                              .roles = {},
                              .filters = {},
                              .transport = socketio::Transport::polling,
                              .remote_address = "192.0.2.1",
                              .origin = "",
                              .joined_at = {}});
    return survey;
  }
  /// The names of the events that it has been sent since the last look.
  std::vector<std::string> events(socketio::ConnectionId connection) {
    std::vector<std::string> names;
    for (const std::string& packet : bench.received(connection)) {
      const std::size_t first = packet.find('"');
      names.push_back(
          packet.starts_with("42/admin,") ? packet.substr(first + 1, packet.find('"', first + 1) - first - 1) : packet);
    }
    return names;
  }

  Bench bench;
};

TEST_F(AdminEventsTest, LetsAnAdministratorInByTheTokenInThePasswordField) {
  const auto packets = bench.received(sign_in());
  ASSERT_THAT(packets, SizeIs(3));
  EXPECT_THAT(packets[0], StartsWith("40/admin,{\"sid\":"));
  EXPECT_THAT(packets[1], StartsWith("42/admin,[\"session\",\""));
  EXPECT_EQ(packets[2], R"(42/admin,["config",{"supportedFeatures":["DISCONNECT","AGGREGATED_EVENTS","ALL_EVENTS"]}])");
}

TEST_F(AdminEventsTest, RefusesEverybodyElseInTheWordsThatTheUiKnows) {
  EXPECT_THAT(bench.received(come("")), ElementsAre(kRefused));
  EXPECT_THAT(bench.received(come("{}")), ElementsAre(kRefused));
  EXPECT_THAT(bench.received(come(credentials("secret"))), ElementsAre(kRefused));
  EXPECT_THAT(bench.received(come(R"({"username":"root","password":1})")), ElementsAre(kRefused));
  EXPECT_THAT(bench.received(come(credentials(bench.token("alice")))), ElementsAre(kRefused));
  EXPECT_THAT(bench.received(come(R"({"sessionId":"nonsense"})")), ElementsAre(kRefused));
  EXPECT_THAT(bench.log.of("administrator refused"), SizeIs(6));
}

TEST_F(AdminEventsTest, LetsItComeBackByItsSessionAsLongAsTheTokenLasts) {
  const std::string packet = bench.received(sign_in())[1];
  const std::string id = packet.substr(20, packet.size() - 21);
  const std::string auth = R"({"sessionId":)" + id + "}";
  EXPECT_THAT(events(come(auth)), ElementsAre(StartsWith("40/admin,"), "config"));
  bench.now.wall = WallTime(seconds(1'800'003'600)) - milliseconds(1);
  EXPECT_THAT(events(come(auth)), ElementsAre(StartsWith("40/admin,"), "config"));
  bench.now.wall += milliseconds(1);
  EXPECT_THAT(bench.received(come(auth)), ElementsAre(kRefused));
}

TEST_F(AdminEventsTest, EndsASessionWithItsToken) {
  const auto admin = sign_in();
  EXPECT_TRUE(answer_survey());
  bench.received(admin);
  bench.now.wall = WallTime(seconds(1'800'003'598)) - milliseconds(1);
  bench.pass(seconds(2));
  EXPECT_THAT(bench.received(admin), IsEmpty());
  EXPECT_TRUE(answer_survey());
  bench.received(admin);
  bench.pass(seconds(2));
  EXPECT_THAT(bench.received(admin), ElementsAre("41/admin,"));
}

TEST_F(AdminEventsTest, EndsASessionWithTheKeyThatVouchedForIt) {
  const jwt::TestKey key(jwt::Algorithm::eddsa);
  const auto publish = [&](const std::string& keys) {
    bench.authenticator().set_jwks(
        {.keys = std::make_shared<const jwt::KeySet>(jwt::KeySet::parse(jwt::jwks_of(keys)).value())});
  };
  publish(key.jwk("one"));
  const auto admin = come(credentials(
      key.token(key.header("one"), R"({"sub":"root","user_role":"admin","aud":"authenticated","exp":1800003600})")));
  const std::string packet = bench.received(admin)[1];
  const std::string auth = R"({"sessionId":)" + packet.substr(20, packet.size() - 21) + "}";
  EXPECT_TRUE(answer_survey());
  EXPECT_THAT(events(come(auth)), ElementsAre(StartsWith("40/admin,"), "config", "server_stats", "all_sockets"));
  bench.received(admin);
  publish("");
  EXPECT_THAT(bench.received(come(auth)), ElementsAre(kRefused));
  bench.send(admin, R"(42/admin,["_disconnect","/mqtt",true,"sid"])");
  EXPECT_THAT(bench.asked<DisconnectCommand>(), IsEmpty());
  bench.pass(seconds(2));
  EXPECT_THAT(bench.received(admin), ElementsAre("41/admin,"));
}

TEST_F(AdminEventsTest, AsksNothingWhileNobodyLooks) {
  bench.join("alice");
  bench.pass(seconds(10));
  EXPECT_THAT(bench.asked<SurveyCommand>(), IsEmpty());
}

TEST_F(AdminEventsTest, ShowsTheGatewayAtOnceAndEveryTwoSeconds) {
  const auto admin = sign_in();
  bench.received(admin);
  EXPECT_TRUE(answer_survey(with_socket("one")));
  EXPECT_THAT(events(admin), ElementsAre("server_stats", "all_sockets"));
  bench.pass(milliseconds(1999));
  EXPECT_FALSE(answer_survey());
  bench.pass(milliseconds(1));
  EXPECT_TRUE(answer_survey(with_socket("two")));
  EXPECT_THAT(events(admin), ElementsAre("server_stats", "all_sockets"));
}

TEST_F(AdminEventsTest, SendsTheListOfSocketsOnlyWhenItHasChanged) {
  const auto admin = sign_in();
  EXPECT_TRUE(answer_survey(with_socket("one")));
  bench.received(admin);
  bench.pass(seconds(2));
  EXPECT_TRUE(answer_survey(with_socket("one")));
  EXPECT_THAT(events(admin), ElementsAre("server_stats"));
}

TEST_F(AdminEventsTest, AsksOnceHoweverLateTheAnswer) {
  sign_in();
  bench.pass(seconds(2));
  bench.pass(seconds(2));
  EXPECT_THAT(bench.asked<SurveyCommand>(), SizeIs(1));
}

TEST_F(AdminEventsTest, ShowsALaterAdministratorWhatIsKnown) {
  const auto first = sign_in();
  EXPECT_TRUE(answer_survey(with_socket("one")));
  bench.received(first);
  EXPECT_THAT(events(sign_in()),
              ElementsAre(StartsWith("40/admin,"), "session", "config", "server_stats", "all_sockets"));
  EXPECT_FALSE(answer_survey());
  EXPECT_THAT(bench.received(first), IsEmpty());
}

TEST_F(AdminEventsTest, AsksNoSoonerForOneWhoComesAndGoes) {
  const auto first = sign_in();
  EXPECT_TRUE(answer_survey());
  bench.send(first, "41/admin,");
  const auto again = sign_in();
  EXPECT_FALSE(answer_survey());
  bench.received(again);
  bench.pass(seconds(2));
  EXPECT_TRUE(answer_survey());
  EXPECT_THAT(events(again), ElementsAre("server_stats", "all_sockets"));
}

TEST_F(AdminEventsTest, CountsFromTheFirstLookOn) {
  const auto admin = sign_in();
  gateway::Survey survey;
  survey.traffic.bytes_in = 1000;
  EXPECT_TRUE(answer_survey(survey));
  EXPECT_THAT(bench.received(admin)[3], HasSubstr(R"("aggregatedEvents":[])"));
  bench.pass(seconds(2));
  survey.traffic.bytes_in = 1500;
  EXPECT_TRUE(answer_survey(survey));
  EXPECT_THAT(bench.received(admin)[0], HasSubstr(R"("type":"bytesIn","count":500)"));
}

TEST_F(AdminEventsTest, StopsAtTheMostAdministratorsOfAWorker) {
  for (std::size_t i = 0; i < AdminEvents::kAdminsMax; ++i) sign_in();
  EXPECT_THAT(bench.received(sign_in()),
              ElementsAre(R"(44/admin,{"message":"too many administrators","data":{"statusCode":429}})"));
}

// --- what is asked of all workers, and what one answers ---

TEST_F(AdminEventsTest, ListsItsSocketsForASurvey) {
  const auto alice = bench.join("alice");
  sign_in();
  bench.asked<SurveyCommand>();
  bench.tell(gateway::SurveyQuestion{
      5, std::make_shared<const gateway::SurveyScope>(gateway::SurveyScope{.user_id = std::nullopt, .sockets = true})});
  const auto replies = bench.asked<gateway::SurveyReply>();
  ASSERT_THAT(replies, SizeIs(1));
  const gateway::Survey& part = replies.front().part;
  EXPECT_EQ(part.connected_clients, 1U);
  EXPECT_EQ(part.administrators, 1U);
  EXPECT_EQ(part.connections, 2U);
  EXPECT_EQ(part.polling_connections, 0U);
  EXPECT_EQ(part.traffic.connections_opened, 2U);
  EXPECT_EQ(part.traffic.connections_closed, 0U);
  EXPECT_GT(part.traffic.bytes_in, 0U);
  EXPECT_GT(part.traffic.bytes_out, 0U);
  ASSERT_THAT(part.sockets, SizeIs(1));
  EXPECT_EQ(part.sockets[0].user_id, "alice");
  EXPECT_EQ(part.sockets[0].transport, socketio::Transport::websocket);
  EXPECT_EQ(part.sockets[0].joined_at, bench.now.wall);
  static_cast<void>(alice);
}

class AdminDisconnectTest : public AdminEventsTest {
 protected:
  std::string sid_of_only_client() {
    bench.tell(gateway::SurveyQuestion{5, std::make_shared<const gateway::SurveyScope>(
                                              gateway::SurveyScope{.user_id = std::nullopt, .sockets = true})});
    return bench.asked<gateway::SurveyReply>().front().part.sockets.at(0).sid;
  }
};

TEST_F(AdminDisconnectTest, AsksAllWorkersForTheSocket) {
  const auto admin = sign_in();
  bench.send(admin, R"(42/admin,["_disconnect","/mqtt",true,"some-sid"])");
  const auto asked = bench.asked<DisconnectCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].sid, "some-sid");
  EXPECT_TRUE(asked[0].close_connection);
  EXPECT_EQ(asked[0].by, "root");
}

TEST_F(AdminDisconnectTest, DoesNothingForWhatItDoesNotOffer) {
  const auto admin = sign_in();
  for (const char* event : {R"(["_disconnect","/mqtt",true])", R"(["_disconnect","/mqtt",true,null])",
                            R"(["_disconnect","/other",true,"x"])", R"(["_disconnect"])", R"(["_disconnect",1,2,3])",
                            R"(["emit","/mqtt","x","hello"])", R"(["join","/mqtt","room","x"])",
                            R"(["leave","/mqtt","room","x"])", R"(["mqtt:publish",{"topic":"a","payload":1}])"})
    bench.send(admin, std::string("42/admin,") + event);
  EXPECT_THAT(bench.asked<DisconnectCommand>(), IsEmpty());
  EXPECT_THAT(bench.asked<gateway::PublishCommand>(), IsEmpty());
}

TEST_F(AdminDisconnectTest, TakesASocketOutOfTheNamespace) {
  const auto alice = bench.join("alice");
  bench.tell(DisconnectWanted{sid_of_only_client(), false, "root"});
  EXPECT_THAT(bench.received(alice), ElementsAre("41/mqtt,"));
  EXPECT_THAT(bench.log.of("disconnected by administrator"), ElementsAre(HasSubstr("by=root")));
  EXPECT_THAT(bench.log.of("client disconnected"), ElementsAre(HasSubstr("reason=server namespace disconnect")));
}

TEST_F(AdminDisconnectTest, ClosesTheConnectionAsWell) {
  const auto alice = bench.join("alice");
  bench.tell(DisconnectWanted{sid_of_only_client(), true, "root"});
  const auto packets = bench.received(alice);
  ASSERT_FALSE(packets.empty());
  EXPECT_EQ(packets.front(), "41/mqtt,");
  EXPECT_THAT(bench.log.of("client disconnected"), ElementsAre(HasSubstr("reason=server namespace disconnect")));
}

TEST_F(AdminDisconnectTest, LeavesOthersAlone) {
  const auto alice = bench.join("alice");
  bench.tell(DisconnectWanted{"another-sid", true, "root"});
  EXPECT_THAT(bench.received(alice), IsEmpty());
  EXPECT_THAT(bench.log.of("disconnected by administrator"), IsEmpty());
}

}  // namespace
}  // namespace famemely::api
