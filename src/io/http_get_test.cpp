#include "io/http_get.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <memory>

namespace famemely::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Freshness, IsWhatCacheControlSays) {
  EXPECT_EQ(freshness("max-age=600", ""), 600s);
  EXPECT_EQ(freshness("public, max-age=60, must-revalidate", ""), 60s);
  EXPECT_EQ(freshness("Max-Age=\"60\"", ""), 60s);
  EXPECT_EQ(freshness("max-age=60", "20"), 40s);
  EXPECT_EQ(freshness("max-age=60", "90"), 0s);
  EXPECT_EQ(freshness("max-age=60,no-cache", ""), 0s);
  EXPECT_EQ(freshness("no-store", ""), 0s);
  EXPECT_EQ(freshness("", "20"), std::nullopt);
  EXPECT_EQ(freshness("public", ""), std::nullopt);
  EXPECT_EQ(freshness("s-maxage=5", ""), std::nullopt) << "that is for shared caches";
}

TEST(Freshness, IsNoneWhereTheNumberIsNone) {
  for (const char* bad : {"max-age", "max-age=", "max-age=x", "max-age=-1", "max-age=1x"})
    EXPECT_EQ(freshness(bad, ""), 0s) << bad;
  EXPECT_EQ(freshness("max-age=60", "x"), 60s);
  EXPECT_GT(freshness("max-age=99999999999999999999", ""), 24h);
}

/// A server that answers one connection with these bytes, and closes it.
class HttpGetTest : public ::testing::Test {
 protected:
  HttpGetTest() : acceptor_(context_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {}

  struct Outcome {
    std::optional<HttpGet::Answer> answer;
    std::string fault;
  };
  Outcome get(std::string bytes, bool closes = true) {
    bytes_ = std::move(bytes);
    request_.clear();
    acceptor_.async_accept([this, closes](const boost::system::error_code& fault, tcp::socket socket) {
      if (fault) return;
      socket_ = std::make_unique<tcp::socket>(std::move(socket));
      asio::async_read_until(*socket_, asio::dynamic_buffer(request_), "\r\n\r\n",
                             [this, closes](const boost::system::error_code&, std::size_t) {
                               if (drips_) return drip(0);
                               asio::async_write(*socket_, asio::buffer(bytes_),
                                                 [this, closes](const boost::system::error_code&, std::size_t) {
                                                   if (closes) socket_->close();
                                                 });
                             });
    });
    Outcome outcome;
    http_.get({.tls = false, .host = "127.0.0.1", .port = acceptor_.local_endpoint().port(), .target = "/keys?x=1"},
              500ms, [&](Result<HttpGet::Answer, std::string> result) {
                if (result)
                  outcome.answer = *std::move(result);
                else
                  outcome.fault = result.error();
                context_.stop();
              });
    context_.restart();
    context_.run_for(5s);
    return outcome;
  }
  std::string fault(std::string bytes, bool closes = true) { return get(std::move(bytes), closes).fault; }
  /// Byte by byte, each on its own.
  void drip(std::size_t at) {
    if (at == bytes_.size()) return socket_->close();
    socket_->set_option(tcp::no_delay(true));
    asio::async_write(*socket_, asio::buffer(bytes_) + at, asio::transfer_exactly(1),
                      [this, at](const boost::system::error_code& error, std::size_t) {
                        if (error) return;
                        pause_.expires_after(1ms);
                        pause_.async_wait([this, at](const boost::system::error_code&) { drip(at + 1); });
                      });
  }

  std::unique_ptr<TlsContext> tls_ = TlsContext::make({}).value();
  asio::io_context context_{1};
  HttpGet http_{context_, *tls_};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_{context_};
  std::unique_ptr<tcp::socket> socket_;
  bool drips_ = false;
  std::string bytes_;
  std::string request_;
};

TEST_F(HttpGetTest, BringsABodyAndHowLongItIsFresh) {
  const auto outcome = get("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\nAge: 10\r\n\r\nbody");
  ASSERT_TRUE(outcome.answer) << outcome.fault;
  EXPECT_EQ(outcome.answer->body, "body");
  EXPECT_EQ(outcome.answer->fresh_for, 50s);
  EXPECT_THAT(request_, StartsWith("GET /keys?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
  EXPECT_THAT(request_, HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(HttpGetTest, TakesSeveralCacheControlsForOne) {
  const auto outcome =
      get("HTTP/1.1 200 OK\r\nCache-Control: public\r\nContent-Length: 4\r\nCache-Control: max-age=10\r\n\r\nbody");
  ASSERT_TRUE(outcome.answer) << outcome.fault;
  EXPECT_EQ(outcome.answer->fresh_for, 10s);
}

TEST_F(HttpGetTest, PassesOverInterimAnswers) {
  for (const bool drips : {false, true}) {
    drips_ = drips;
    const auto outcome =
        get("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\nCache-Control: no-store\r\n\r\n"
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
    ASSERT_TRUE(outcome.answer) << outcome.fault;
    EXPECT_EQ(outcome.answer->body, "body");
    EXPECT_FALSE(outcome.answer->fresh_for);
  }
  EXPECT_THAT(get("HTTP/1.1 101 Switching Protocols\r\n\r\n").fault, HasSubstr("status 101"));
  EXPECT_THAT(get("HTTP/1.1 103 Early Hints\r\n\r\n").fault, HasSubstr("before its answer was complete"));
}

TEST_F(HttpGetTest, TakesEveryFormOfABody) {
  EXPECT_EQ(get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n").answer->body,
            "body");
  EXPECT_EQ(get("HTTP/1.0 200 OK\r\n\r\nbody").answer->body, "body");
  EXPECT_EQ(get("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", false).answer->body, "body");
  EXPECT_EQ(get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").answer->body, "");
}

TEST_F(HttpGetTest, TakesAnAnswerByteByByte) {
  drips_ = true;
  const auto outcome = get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n");
  ASSERT_TRUE(outcome.answer) << outcome.fault;
  EXPECT_EQ(outcome.answer->body, "body");
}

TEST_F(HttpGetTest, RefusesTrailersThatAreTooLong) {
  const std::string begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n0\r\n";
  const std::string large(70'000, 'y');
  EXPECT_EQ(fault(begin + "X: " + large + "\r\n\r\n"), "the answer has a field that is too long");
  EXPECT_EQ(fault(begin + large + ": x\r\n\r\n"), "the answer has a field that is too long");
  std::string endless = begin;
  while (endless.size() < 400'000) endless += "X: " + large.substr(0, 1'000) + "\r\n";
  EXPECT_EQ(fault(endless), "the answer is over 262144 bytes");
}

TEST_F(HttpGetTest, TakesNothingButAnAnswer200) {
  EXPECT_EQ(fault("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "the server answered with status 404");
  EXPECT_EQ(fault("HTTP/1.1 204 No Content\r\n\r\n"), "the server answered with status 204");
  EXPECT_EQ(fault("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/other\r\nContent-Length: 0\r\n\r\n"),
            "the server redirects (status 302), which is not followed");
}

TEST_F(HttpGetTest, RefusesWhatIsTooLong) {
  const std::string size = std::to_string(HttpGet::kBodyBytesMax + 1);
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\n\r\n"), "the answer is over 262144 bytes");
  EXPECT_EQ(fault("HTTP/1.0 200 OK\r\n\r\n" + std::string(HttpGet::kBodyBytesMax + 1, 'x')),
            "the answer is over 262144 bytes");
  EXPECT_THAT(fault("HTTP/1.1 200 OK\r\nX: " + std::string(HttpGet::kHeadBytesMax, 'x') + "\r\n\r\n"),
              StartsWith("the answer is not HTTP"));
}

TEST_F(HttpGetTest, RefusesWhatIsCutOffOrNotHttp) {
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody"),
            "the server closed the connection before its answer was complete");
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n"),
            "the server closed the connection before its answer was complete");
  EXPECT_EQ(fault(""), "the server closed the connection before its answer was complete");
  EXPECT_THAT(fault("SSH-2.0-OpenSSH\r\n"), StartsWith("the answer is not HTTP"));
}

TEST_F(HttpGetTest, DoesNotWaitForever) {
  EXPECT_EQ(fault("", false), "the answer did not come in time");
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody", false), "the answer did not come in time");
}

TEST_F(HttpGetTest, SaysThatNobodyListens) {
  tcp::endpoint endpoint = acceptor_.local_endpoint();
  acceptor_.close();
  std::string outcome;
  http_.get({.tls = false, .host = "127.0.0.1", .port = endpoint.port(), .target = "/"}, 500ms,
            [&](Result<HttpGet::Answer, std::string> result) { outcome = result ? "an answer" : result.error(); });
  context_.run_for(5s);
  EXPECT_THAT(outcome, HasSubstr("Connection refused"));
}

}  // namespace
}  // namespace famemely::io
