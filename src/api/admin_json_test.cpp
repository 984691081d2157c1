#include "api/admin_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_text.hpp"

namespace famemely::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const AdminServer kServer{.id = "node-1", .hostname = "machine", .pid = 42, .started_at = Instant(seconds(10))};
const Now kNow{Instant(milliseconds(22'500)), WallTime(milliseconds(1'800'000'000'750))};

gateway::ListedSocket socket(std::string sid) {
  return {.sid = std::move(sid),
          .user_id = "alice",
          .roles = {"authenticated", "editor"},
          .filters = {"chat/+", "\"news\""},
          .transport = socketio::Transport::websocket,
          .remote_address = "192.0.2.1",
          .origin = "https://app.example.com",
          .joined_at = WallTime(milliseconds(1'800'000'000'000))};
}

TEST(AdminJson, TellsTheStatisticsOfTheWholeGateway) {
  gateway::Survey survey{.connected_clients = 7, .administrators = 2, .connections = 9, .polling_connections = 3};
  EXPECT_EQ(server_stats_json(kServer, survey, {}, kNow),
            R"({"serverId":"node-1","hostname":"machine","pid":42,"uptime":12.500,"clientsCount":9,)"
            R"("pollingClientsCount":3,"aggregatedEvents":[],)"
            R"("namespaces":[{"name":"/mqtt","socketsCount":7},{"name":"/admin","socketsCount":2}]})");
}

TEST(AdminJson, TellsWhatHasHappenedSinceTheLastTime) {
  gateway::Survey survey;
  survey.traffic = {.connections_opened = 12,
                    .connections_closed = 5,
                    .packets_in = 1,
                    .bytes_in = 100,
                    .packets_out = 3,
                    .bytes_out = 900};
  const socketio::Traffic before{.connections_opened = 10,
                                 .connections_closed = 5,
                                 .packets_in = 1,
                                 .bytes_in = 100,
                                 .packets_out = 2,
                                 .bytes_out = 500};
  EXPECT_THAT(server_stats_json(kServer, survey, before, kNow),
              HasSubstr(R"("aggregatedEvents":[{"timestamp":1800000000000,"type":"rawConnection","count":2},)"
                        R"({"timestamp":1800000000000,"type":"packetsOut","count":1},)"
                        R"({"timestamp":1800000000000,"type":"bytesOut","count":400}])"));
}

TEST(AdminJson, ShowsASocketAsTheUiReadsIt) {
  EXPECT_EQ(all_sockets_json({socket("0123456789abcdefghij")}),
            R"([{"id":"0123456789abcdefghij","clientId":"0123456789ab","transport":"websocket","nsp":"/mqtt",)"
            R"("data":{"user":"alice","roles":["authenticated","editor"]},)"
            R"("handshake":{"address":"192.0.2.1","headers":{"origin":"https://app.example.com"},"query":{},)"
            R"("issued":1800000000000,"secure":false,"time":"2027-01-15T08:00:00.000Z","url":"/socket.io/",)"
            R"("xdomain":true},"rooms":["0123456789abcdefghij","chat/+","\"news\""]}])");
}

TEST(AdminJson, GivesTheSameTextForTheSameSockets) {
  EXPECT_EQ(all_sockets_json({socket("b"), socket("a")}), all_sockets_json({socket("a"), socket("b")}));
  EXPECT_EQ(all_sockets_json({}), "[]");
}

TEST(AdminJson, ShowsAThousandSocketsAtMost) {
  std::vector<gateway::ListedSocket> sockets;
  sockets.reserve(1200);
  for (int i = 0; i < 1200; ++i) sockets.push_back(socket("sid-" + std::to_string(1000 + i)));
  const std::string json = all_sockets_json(sockets);
  EXPECT_EQ(JsonView::parse(json)->elements().size(), gateway::kListedSocketsMax);
  EXPECT_THAT(json, HasSubstr("sid-1999"));
  EXPECT_THAT(json, Not(HasSubstr("sid-2000")));
}

TEST(AdminJson, CutsAListThatIsTooLong) {
  std::vector<gateway::ListedSocket> sockets;
  for (int i = 0; i < 900; ++i) {
    sockets.push_back(socket("sid-" + std::to_string(i)));
    sockets.back().filters.assign(gateway::kListedFiltersMax, std::string(gateway::kListedFilterBytesMax, 'x'));
  }
  const std::string json = all_sockets_json(sockets);
  EXPECT_LE(json.size(), kAdminSnapshotBytesMax + 1);
  EXPECT_GT(json.size(), kAdminSnapshotBytesMax / 2);
  EXPECT_TRUE(JsonView::parse(json));
}

}  // namespace
}  // namespace famemely::api
