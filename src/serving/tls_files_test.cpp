#include "serving/tls_files.hpp"

#include <gtest/gtest.h>

#include "serving/testing.hpp"

namespace famemely::serving {
namespace {

using testing::CertificateFiles;

std::string fault(const TlsFiles& files) {
  const auto read = read_tls_files(files);
  return read ? "read" : read.error();
}

TEST(TlsFiles, AreACertificateAndItsKey) {
  const CertificateFiles files;
  EXPECT_EQ(fault(files.files()), "read");
}

TEST(TlsFiles, AMissingOneIsNamed) {
  const CertificateFiles files;
  EXPECT_EQ(fault({"/nowhere", files.key_file()}), "TLS_CERT_FILE /nowhere: No such file or directory");
  EXPECT_EQ(fault({files.cert_file(), "/nowhere"}), "TLS_KEY_FILE /nowhere: No such file or directory");
}

TEST(TlsFiles, OthersContentIsRefused) {
  const CertificateFiles files;
  const CertificateFiles others;
  EXPECT_EQ(fault({files.key_file(), files.key_file()}),
            "TLS_CERT_FILE " + files.key_file() + ": no certificate in PEM could be read from it");
  EXPECT_EQ(
      fault({files.cert_file(), files.cert_file()}),
      "TLS_KEY_FILE " + files.cert_file() + ": no private key in PEM, and without a password, could be read from it");
  EXPECT_EQ(fault({files.cert_file(), others.key_file()}),
            "TLS_KEY_FILE " + others.key_file() + ": it is not the key of the certificate in TLS_CERT_FILE " +
                files.cert_file());
}

}  // namespace
}  // namespace famemely::serving
