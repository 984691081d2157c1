#include "serving/tls_pipe.hpp"

#include <gtest/gtest.h>

#include "serving/testing.hpp"

namespace famemely::serving {
namespace {

using namespace std::string_view_literals;
using testing::CertificateFiles;
using testing::TlsClient;

class TlsPipes : public ::testing::Test {
 protected:
  /// Carries bytes both ways until neither has any.
  void shake_hands(std::size_t step = 100'000) {
    for (int i = 0; i < 20; ++i) {
      const std::string wire = client_.take_output();
      for (std::size_t at = 0; at < wire.size(); at += step)
        state_ = pipe_.receive(std::string_view(wire).substr(at, step), clear_);
      client_.receive(take_outgoing());
    }
  }
  std::string take_outgoing() {
    std::string wire(pipe_.outgoing());
    pipe_.sent(wire.size());
    return wire;
  }

  CertificateFiles files_;
  TlsContext context_ = read_tls_files(files_.files()).value();
  TlsPipe pipe_{context_.get()};
  TlsClient client_;
  TlsPipe::State state_ = TlsPipe::State::open;
  std::string clear_;
};

TEST_F(TlsPipes, CarriesBytesBothWays) {
  shake_hands();
  ASSERT_TRUE(pipe_.established());
  client_.send("hello");
  shake_hands();
  EXPECT_EQ(clear_, "hello");
  EXPECT_EQ(pipe_.send("and back"), 8U);
  client_.receive(take_outgoing());
  EXPECT_EQ(client_.read(), "and back");
}

TEST_F(TlsPipes, ByteByByteIsTheSame) {
  shake_hands(1);
  ASSERT_TRUE(pipe_.established());
  client_.send("hello");
  shake_hands(1);
  EXPECT_EQ(clear_, "hello");
}

TEST_F(TlsPipes, TakesNothingClearBeforeTheHandshakeIsOver) { EXPECT_EQ(pipe_.send("early"), 0U); }

TEST_F(TlsPipes, WhatWaitsForTheSocketIsBounded) {
  shake_hands();
  const std::string much(1'000'000, 'x');
  const std::size_t taken = pipe_.send(much);
  EXPECT_GE(taken, TlsPipe::kOutgoingMax - 16'384);
  EXPECT_LT(pipe_.outgoing().size(), TlsPipe::kOutgoingMax + 20'000);
  EXPECT_EQ(pipe_.send(much), 0U);
  client_.receive(take_outgoing());
  EXPECT_EQ(client_.read().size(), taken);
  EXPECT_GT(pipe_.send(much), 0U);
}

TEST_F(TlsPipes, TheClientsGoodbyeEndsIt) {
  shake_hands();
  SSL_shutdown(client_.handle());
  shake_hands();
  EXPECT_EQ(state_, TlsPipe::State::ended);
}

TEST_F(TlsPipes, WhoHasKeysUpdatedAndReadsNothingFails) {
  shake_hands();
  ASSERT_TRUE(pipe_.established());
  for (int i = 0; i < 20'000 && state_ == TlsPipe::State::open; ++i) {
    SSL_key_update(client_.handle(), SSL_KEY_UPDATE_REQUESTED);
    state_ = pipe_.receive(client_.take_output(), clear_);
  }
  EXPECT_EQ(state_, TlsPipe::State::failed);
  EXPECT_EQ(pipe_.fault(), "the client does not read what it asks for");
  EXPECT_LE(pipe_.outgoing().size(), 3 * TlsPipe::kOutgoingMax);
}

TEST_F(TlsPipes, GarbageFails) {
  EXPECT_EQ(pipe_.receive("\x16\x03\x01\x00\x05garbage"sv, clear_), TlsPipe::State::failed);
  EXPECT_FALSE(pipe_.fault().empty());
  EXPECT_FALSE(pipe_.peer_speaks_http());
  EXPECT_TRUE(clear_.empty());
}

TEST_F(TlsPipes, PlainHttpFailsAndIsKnown) {
  EXPECT_EQ(pipe_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n", clear_), TlsPipe::State::failed);
  EXPECT_TRUE(pipe_.peer_speaks_http());
}

TEST_F(TlsPipes, OlderVersionsAreRefused) {
  SSL_set_max_proto_version(client_.handle(), TLS1_1_VERSION);
  SSL_set_security_level(client_.handle(), 0);
  shake_hands();
  EXPECT_EQ(state_, TlsPipe::State::failed);
  EXPECT_FALSE(pipe_.established());
}

TEST_F(TlsPipes, SpeaksHttp1ToWhoOffersIt) {
  const unsigned char offer[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_set_alpn_protos(client_.handle(), offer, sizeof offer);
  shake_hands();
  const unsigned char* chosen = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(client_.handle(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "http/1.1");
}

}  // namespace
}  // namespace famemely::serving
