#include "protocol/engineio/admission.hpp"

#include <gtest/gtest.h>

#include "protocol/engineio/server_bench.hpp"

namespace famemely::engineio {
namespace {

/// Lets so many in.
class Doorkeeper final : public Admission {
 public:
  explicit Doorkeeper(int places) : places_(places) {}

  [[nodiscard]] Result<Place, Refusal> admit(std::string_view remote_address, Instant) override {
    asked_for = remote_address;
    if (places_ == 0) return failure(Refusal{429, "No \"place\""});
    --places_;
    return Place(nullptr, [this](void*) { ++places_; });
  }
  [[nodiscard]] std::optional<Refusal> refuse_request(std::string_view, Instant) override { return std::nullopt; }
  [[nodiscard]] int places() const { return places_; }

  std::string asked_for;

 private:
  int places_;
};

TEST(Admission, APollingHandshakeWithoutAPlaceIsRefused) {
  Doorkeeper door(1);
  ServerBench bench({.admission = &door});
  bench.open_polling();
  HttpRequest request = make_request("GET", "EIO=4&transport=polling");
  request.remote_address = "192.0.2.1";
  bench.request(2, request);
  const HttpResponse& answer = bench.network.responses[2].back();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.body, R"({"statusCode":429,"message":"No \"place\"","error":"Too Many Requests"})");
  EXPECT_TRUE(answer.fields.find("Retry-After"));
  EXPECT_EQ(door.asked_for, "192.0.2.1");
  EXPECT_EQ(bench.server.session_count(), 1U);
}

TEST(Admission, AWebSocketWithoutAPlaceIsRefused) {
  Doorkeeper door(0);
  ServerBench bench({.admission = &door});
  bench.upgrade(1, make_upgrade("EIO=4&transport=websocket"));
  EXPECT_EQ(bench.network.responses[1].back().status, 429);
  EXPECT_EQ(bench.server.session_count(), 0U);
}

TEST(Admission, AnUpgradeTakesNoSecondPlace) {
  Doorkeeper door(1);
  ServerBench bench({.admission = &door});
  bench.open_polling();
  bench.probe(2);
  bench.text(2, "2probe");
  bench.text(2, "5");
  EXPECT_EQ(bench.server.transport(bench.session), Transport::websocket);
  EXPECT_EQ(door.places(), 0);
}

TEST(Admission, APlaceIsFreeWhenItsSessionEnds) {
  Doorkeeper door(1);
  ServerBench bench({.admission = &door});
  bench.open_websocket(1);
  EXPECT_EQ(door.places(), 0);
  bench.disconnect(1);
  EXPECT_EQ(door.places(), 1);
  bench.open_polling();
  EXPECT_EQ(door.places(), 0);
  bench.pass(std::chrono::minutes(2));
  EXPECT_EQ(door.places(), 1);
}

TEST(Admission, WhoeverSpeaksNonsenseIsNotCounted) {
  Doorkeeper door(1);
  ServerBench bench({.admission = &door});
  bench.request(1, make_request("GET", "EIO=3&transport=polling"));
  bench.upgrade(2, make_upgrade("EIO=3&transport=websocket"));
  EXPECT_EQ(door.places(), 1);
}

}  // namespace
}  // namespace famemely::engineio
