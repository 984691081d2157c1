#include "io/broker_dialer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <tuple>

namespace famemely::io {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::tcp;
using ::testing::ElementsAre;

tcp::endpoint at(const char* address) { return {make_address(address), 1}; }

TEST(OrderOfAttempts, LetsTheFamiliesTakeTurns) {
  EXPECT_THAT(order_of_attempts({at("::1"), at("::2"), at("::3"), at("1.1.1.1"), at("2.2.2.2")}, 0),
              ElementsAre(at("::1"), at("1.1.1.1"), at("::2"), at("2.2.2.2"), at("::3")));
  EXPECT_THAT(order_of_attempts({at("1.1.1.1"), at("::1")}, 0), ElementsAre(at("1.1.1.1"), at("::1")));
}

TEST(OrderOfAttempts, BeginsWhereItIsTold) {
  EXPECT_THAT(order_of_attempts({at("1.1.1.1"), at("2.2.2.2"), at("3.3.3.3")}, 4),
              ElementsAre(at("2.2.2.2"), at("3.3.3.3"), at("1.1.1.1")));
}

TEST(OrderOfAttempts, NamesEachAddressOnce) {
  EXPECT_THAT(order_of_attempts({at("::1"), at("::1"), at("1.1.1.1")}, 0), ElementsAre(at("::1"), at("1.1.1.1")));
  EXPECT_TRUE(order_of_attempts({}, 3).empty());
}

class BrokerDialerTest : public ::testing::Test {
 protected:
  tcp::endpoint listening() {
    acceptors_.push_back(std::make_unique<tcp::acceptor>(context_, tcp::endpoint(make_address("127.0.0.1"), 0)));
    return acceptors_.back()->local_endpoint();
  }
  /// A port that somebody had, and nobody listens on.
  tcp::endpoint refusing() {
    tcp::acceptor gone(context_, tcp::endpoint(make_address("127.0.0.1"), 0));
    return gone.local_endpoint();
  }
  /// Where the connection ended up, or the fault.
  std::string dial(const std::vector<tcp::endpoint>& endpoints) {
    std::string outcome = "nothing";
    dialer_.dial_all(endpoints, [&](Result<tcp::socket, std::string> dialed) {
      outcome = dialed ? "connected to " + std::to_string(dialed->remote_endpoint().port()) : dialed.error();
    });
    context_.restart();
    context_.run_for(std::chrono::seconds(5));
    return outcome;
  }

  boost::asio::io_context context_{1};
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors_;
  BrokerDialer dialer_{context_};
};

TEST_F(BrokerDialerTest, GoesOnToTheNextAddressAtOnceWhereOneRefuses) {
  const tcp::endpoint good = listening();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(dial({refusing(), refusing(), good}), "connected to " + std::to_string(good.port()));
  EXPECT_LT(std::chrono::steady_clock::now() - before, BrokerDialer::kStagger);
}

TEST_F(BrokerDialerTest, TellsOfEveryAddressWhenAllFail) {
  const tcp::endpoint one = refusing();
  EXPECT_EQ(dial({one}), "TCP connection to 127.0.0.1:" + std::to_string(one.port()) + " failed: Connection refused");
  EXPECT_EQ(dial({one, refusing()}), "TCP connection to 127.0.0.1:" + std::to_string(one.port()) +
                                         " failed (127.0.0.1: Connection refused; 127.0.0.1: Connection refused)");
}

TEST_F(BrokerDialerTest, SaysWhichLookUpFailed) {
  std::string outcome;
  dialer_.dial("name.invalid", 1, 0, [&](auto dialed) { outcome = dialed ? "connected" : dialed.error(); });
  EXPECT_EQ(dialer_.describe_timeout(), "DNS lookup of name.invalid timed out");
  dialer_.cancel();
  context_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(outcome, "") << "it was cancelled";
}

/// An address that answers nothing: its queue of connections is full, and further ones are dropped.
class SilentAddress {
 public:
  explicit SilentAddress(boost::asio::io_context& context) : acceptor_(context) {
    acceptor_.open(tcp::v4());
    acceptor_.bind({make_address("127.0.0.1"), 0});
    acceptor_.listen(0);
    for (int i = 0; i < 8; ++i) {
      fillers_.emplace_back(context);
      fillers_.back().open(tcp::v4());
      fillers_.back().non_blocking(true);
      const tcp::endpoint endpoint = acceptor_.local_endpoint();
      std::ignore =
          ::connect(fillers_.back().native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    }
  }
  [[nodiscard]] tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> fillers_;
};

TEST_F(BrokerDialerTest, CallsTheNextAddressWhenOneIsSilent) {
  const SilentAddress silent(context_);
  const tcp::endpoint good = listening();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(dial({silent.endpoint(), good}), "connected to " + std::to_string(good.port()));
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, BrokerDialer::kStagger);
  EXPECT_LT(took, BrokerDialer::kStagger * 8);
}

TEST_F(BrokerDialerTest, SaysWhichAddressesWereSilent) {
  const SilentAddress silent(context_);
  const tcp::endpoint refused = refusing();
  dialer_.dial_all({silent.endpoint(), refused}, [](auto) {});
  context_.run_for(BrokerDialer::kStagger * 2);
  EXPECT_EQ(dialer_.describe_timeout(), "TCP connection to 127.0.0.1:" + std::to_string(silent.endpoint().port()) +
                                            " timed out (127.0.0.1: no answer; 127.0.0.1: Connection refused)");
}

}  // namespace
}  // namespace famemely::io
