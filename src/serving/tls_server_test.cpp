#include "serving/tls_server.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "serving/testing.hpp"

namespace famemely::serving {
namespace {

using testing::CertificateFiles;
using testing::TlsClient;

std::string subject_served(TlsServer& server) {
  const auto pipe = server.accept();
  TlsClient client;
  std::string clear;
  for (int i = 0; i < 10; ++i) {
    pipe->receive(client.take_output(), clear);
    const std::string wire(pipe->outgoing());
    pipe->sent(wire.size());
    client.receive(wire);
  }
  return pipe->established() ? client.subject() : "none";
}

void copy(const std::string& from, const std::string& to) { std::ofstream(to) << std::ifstream(from).rdbuf(); }

TEST(TlsServer, ServesANewCertificateOnceItIsToldTo) {
  const CertificateFiles old("old");
  const CertificateFiles fresh("new");
  const auto server = TlsServer::make(old.files()).value();
  EXPECT_EQ(subject_served(*server), "old");
  copy(fresh.cert_file(), old.cert_file());
  copy(fresh.key_file(), old.key_file());
  EXPECT_EQ(subject_served(*server), "old");
  EXPECT_TRUE(server->reload());
  EXPECT_EQ(subject_served(*server), "new");
}

TEST(TlsServer, ABadFileKeepsTheOldOnes) {
  const CertificateFiles files;
  const auto server = TlsServer::make(files.files()).value();
  std::ofstream(files.cert_file()) << "nonsense";
  const auto reloaded = server->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error(), "TLS_CERT_FILE " + files.cert_file() + ": no certificate in PEM could be read from it");
  EXPECT_EQ(subject_served(*server), "gateway");
}

}  // namespace
}  // namespace famemely::serving
