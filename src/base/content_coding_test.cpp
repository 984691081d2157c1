#include "base/content_coding.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

namespace famemely {
namespace {

std::string gunzip(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string text(100'000, '\0');
  std::string in = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

TEST(ContentCoding, ReadsAcceptEncoding) {
  for (const char* yes : {"gzip", "deflate, GZIP;q=0.5", "*", "br;q=1.0, *;q=0.1", "gzip ; q=0.001"})
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  for (const char* no : {"", "identity", "br", "gzip;q=0", "gzip; q=0.000, *", "gzip;Q=0", "*;q=0", "gzipped"})
    EXPECT_FALSE(accepts_gzip(no)) << no;
}

TEST(ContentCoding, TellsOtherCodingsApart) {
  EXPECT_TRUE(accepts_coding("gzip, deflate, br", "br"));
  EXPECT_TRUE(accepts_coding("gzip;q=0, *", "br"));
  EXPECT_FALSE(accepts_coding("gzip, br;q=0", "br"));
  EXPECT_FALSE(accepts_coding("x-br", "br"));
}

TEST(ContentCoding, CompressesLargeBodies) {
  Deflater deflater(Deflater::Format::gzip);
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += std::to_string(i);
  HttpResponse response{.status = 200, .fields = {}, .body = text};
  encode_content(response, true, kCompressedBytesMin, deflater);
  EXPECT_EQ(response.fields.find("Content-Encoding"), "gzip");
  EXPECT_EQ(response.fields.find("Vary"), "Accept-Encoding");
  EXPECT_LT(response.body.size(), text.size());
  EXPECT_EQ(gunzip(response.body), text);
}

TEST(ContentCoding, LeavesSmallBodiesAndOtherClientsAlone) {
  Deflater deflater(Deflater::Format::gzip);
  HttpResponse small{.status = 200, .fields = {}, .body = std::string(kCompressedBytesMin - 1, 'x')};
  encode_content(small, true, kCompressedBytesMin, deflater);
  EXPECT_EQ(small.fields.size(), 0U);
  HttpResponse plain{.status = 200, .fields = {}, .body = std::string(kCompressedBytesMin, 'x')};
  encode_content(plain, false, kCompressedBytesMin, deflater);
  EXPECT_EQ(plain.fields.find("Content-Encoding"), std::nullopt);
  EXPECT_EQ(plain.fields.find("Vary"), "Accept-Encoding") << "a cache must know that it depends";
}

}  // namespace
}  // namespace famemely
