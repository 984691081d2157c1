#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/engineio/server.hpp"
#include "protocol/engineio/server_bench.hpp"

namespace famemely::engineio {
namespace {

using testing::ElementsAre;

const std::string kLarge(5'000, 'x');

Options with_deflate() {
  Options options;
  options.websocket_compression_bytes_min = 1'024;
  return options;
}

HttpRequest with(HttpRequest request, std::string name, std::string value) {
  request.fields.add(std::move(name), std::move(value));
  return request;
}
HttpRequest offering(HttpRequest request, std::string offer = "permessage-deflate") {
  return with(std::move(request), "Sec-WebSocket-Extensions", std::move(offer));
}
HttpRequest open_request() { return make_upgrade("EIO=4&transport=websocket"); }

std::string deflated_text(std::string_view text) {
  std::string deflated;
  Deflater(Deflater::Format::raw).append_flushed(deflated, text);
  std::string bytes;
  websocket::append_deflated_message(bytes, websocket::Opcode::text, deflated, kTestKey);
  return bytes;
}

std::string extensions_of(ServerBench& bench, ConnectionId connection) {
  return std::string(bench.network.upgrades[connection].fields.value_or("Sec-WebSocket-Extensions", "none"));
}

TEST(EngineServerDeflate, IsAgreedOnIfItIsSwitchedOnAndOffered) {
  ServerBench off;
  off.upgrade(1, offering(open_request()));
  EXPECT_EQ(extensions_of(off, 1), "none");
  ServerBench on(with_deflate());
  on.upgrade(1, open_request());
  EXPECT_EQ(extensions_of(on, 1), "none");
  on.upgrade(2, offering(open_request(), "permessage-deflate; server_max_window_bits=11"));
  EXPECT_EQ(extensions_of(on, 2),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11");
}

TEST(EngineServerDeflate, RefusesBrokenOffersBeforeTheUpgradeUnlessItIsOff) {
  ServerBench on(with_deflate());
  on.upgrade(1, offering(open_request(), "permessage-deflate;"));
  EXPECT_EQ(on.network.last_status(1), 400);
  EXPECT_TRUE(on.network.accepted.empty());
  ServerBench off;
  off.upgrade(1, offering(open_request(), "permessage-deflate;"));
  EXPECT_THAT(off.network.accepted, ElementsAre(1));
}

TEST(EngineServerDeflate, CompressesLargeMessagesBothWays) {
  ServerBench bench(with_deflate());
  bench.echo = true;
  bench.upgrade(1, offering(open_request()));
  const std::size_t before = bench.network.wire[1].size();
  bench.bytes(1, deflated_text("4" + kLarge));
  EXPECT_EQ(bench.network.received[1].back(), "4" + kLarge);
  EXPECT_LT(bench.network.wire[1].size() - before, 100U);
  bench.text(1, "4small");
  bench.text(1, "4" + kLarge);
  EXPECT_EQ(bench.network.received[1].back(), "4" + kLarge);
  EXPECT_THAT(bench.diary, ElementsAre("opened", "message:" + kLarge, "message:small", "message:" + kLarge));
}

TEST(EngineServerDeflate, CompressesOnceForAllThatTakeIt) {
  ServerBench bench(with_deflate());
  std::vector<SessionId> sessions;
  for (ConnectionId connection = 1; connection <= 100; ++connection) {
    bench.upgrade(connection, connection % 2 == 0 ? offering(open_request()) : open_request());
    sessions.push_back(bench.server.sessions().back());
  }
  const Frame frame = make_text_frame("4" + kLarge);
  for (const SessionId session : bench.server.sessions())
    EXPECT_EQ(bench.server.send(session, frame), SendResult::queued);
  bench.turn();
  EXPECT_EQ(bench.server.deflated_frames(), 1U);
  for (ConnectionId connection = 1; connection <= 100; ++connection) {
    EXPECT_EQ(bench.network.received[connection].back(), "4" + kLarge);
    EXPECT_EQ(bench.network.wire[connection].size() < 500, connection % 2 == 0);
  }
}

TEST(EngineServerDeflate, CountsInTheQueueWhatIsQueued) {
  Options options = with_deflate();
  options.client_queue_bytes_max = 10'000;
  ServerBench bench(options);
  bench.network.stuck = {1, 2};
  bench.upgrade(1, offering(open_request()));
  const SessionId compressed = bench.server.sessions().at(0);
  bench.upgrade(2, open_request());
  const SessionId plain = bench.server.sessions().at(1);
  const Frame frame = make_text_frame("4" + kLarge);
  EXPECT_EQ(bench.server.send(plain, frame), SendResult::queued);
  EXPECT_EQ(bench.server.send(plain, frame), SendResult::full);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(bench.server.send(compressed, frame), SendResult::queued);
  EXPECT_LT(bench.server.queued_bytes(compressed), 2'000U);
}

TEST(EngineServerDeflate, IsRefusedWhereItWasNotAgreedOn) {
  ServerBench bench(with_deflate());
  bench.upgrade(1, open_request());
  bench.bytes(1, deflated_text("4hello"));
  EXPECT_EQ(bench.network.received[1].back(), "close:1002");
}

TEST(EngineServerDeflate, ClosesAtABombAndGoesOn) {
  ServerBench bench(with_deflate());
  bench.upgrade(1, offering(open_request()));
  bench.bytes(1, deflated_text("4" + std::string(1'000'000, 'x')));
  EXPECT_EQ(bench.network.received[1].back(), "close:1009");
  bench.upgrade(2, offering(open_request()));
  bench.bytes(2, deflated_text("4" + std::string(999'999, 'x')));
  EXPECT_THAT(bench.diary, ElementsAre("opened", "transport error", "opened", "message:" + std::string(999'999, 'x')));
}

TEST(EngineServerDeflate, ReachesASessionThroughItsUpgrade) {
  ServerBench bench(with_deflate());
  bench.echo = true;
  bench.open_polling();
  bench.server.send(bench.session, make_text_frame("4queued" + kLarge));
  bench.upgrade(2, offering(make_upgrade(bench.session_query("websocket"))));
  EXPECT_NE(extensions_of(bench, 2), "none");
  bench.bytes(2, deflated_text("2probe"));
  bench.text(2, "5");
  bench.bytes(2, deflated_text("4after" + kLarge));
  EXPECT_THAT(bench.network.received[2], ElementsAre("3probe", "4queued" + kLarge, "4after" + kLarge));
  EXPECT_LT(bench.network.wire[2].size(), kLarge.size() + 200) << "the second one was compressed";
}

TEST(EngineServerDeflate, TakesCompressedMessagesWhileTheClientLeaves) {
  ServerBench bench(with_deflate());
  bench.upgrade(1, offering(open_request()));
  bench.server.close(bench.server.sessions().at(0), CloseReason::forced_close, bench.now);
  bench.turn();
  bench.bytes(1, deflated_text("4" + kLarge));
  EXPECT_FALSE(bench.network.is_closed(1)) << "its goodbye has not come";
}

// --- polling ---

/// The answer to a poll of a session that is sent this.
HttpResponse polled(const Options& options, std::size_t bytes, std::string accept_encoding) {
  ServerBench bench(options);
  bench.open_polling();
  bench.server.send(bench.session, make_text_frame("4" + std::string(bytes - 1, 'x')));
  bench.request(2, with(make_request("GET", bench.session_query()), "Accept-Encoding", std::move(accept_encoding)));
  return bench.network.responses[2].back();
}

TEST(EngineServerGzip, CompressesPollingAnswersFromTheThreshold) {
  const HttpResponse small = polled({}, 1'023, "gzip");
  EXPECT_EQ(small.fields.find("Content-Encoding"), std::nullopt);
  EXPECT_EQ(small.body.size(), 1'023U);
  const HttpResponse large = polled({}, 1'024, "gzip, deflate, br");
  EXPECT_EQ(large.fields.find("Content-Encoding"), "gzip");
  EXPECT_EQ(large.fields.find("Vary"), "Accept-Encoding");
  EXPECT_EQ(large.fields.find("Content-Type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(large.fields.find("Cache-Control"), "no-store");
  EXPECT_TRUE(large.body.starts_with("\x1F\x8B"));
  EXPECT_LT(large.body.size(), 100U);
}

TEST(EngineServerGzip, LeavesAnswersAloneForOthersAndWhenOff) {
  for (const char* no : {"", "identity", "br", "gzip;q=0", "*;q=0"})
    EXPECT_EQ(polled({}, 2'000, no).body.size(), 2'000U) << no;
  Options off;
  off.http_compression_bytes_min = std::nullopt;
  const HttpResponse plain = polled(off, 2'000, "gzip");
  EXPECT_EQ(plain.body.size(), 2'000U);
  EXPECT_EQ(plain.fields.find("Vary"), std::nullopt);
}

}  // namespace
}  // namespace famemely::engineio
