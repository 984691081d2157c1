#include "base/deflate.hpp"

#include <gtest/gtest.h>

#include <random>

namespace famemely {
namespace {

std::string flushed(std::string_view text, int window_bits = kDeflateWindowBitsMax) {
  std::string out;
  Deflater(Deflater::Format::raw, window_bits).append_flushed(out, text);
  return out;
}

std::string noise(std::size_t size) {
  std::mt19937 random(42);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string prose(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) text += "line " + std::to_string(i * i) + "\n";
  text.resize(size);
  return text;
}

TEST(Deflate, ReadsTheExamplesOfRfc7692) {
  Inflater inflater;
  // Sections 7.2.3.1, 7.2.3.3 (stored), 7.2.3.4 (marked as last, then padded), 7.2.3.5 (two blocks), 7.2.3.6 (empty).
  EXPECT_EQ(inflater.inflate(std::string_view("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), 100), "Hello");
  EXPECT_EQ(inflater.inflate(std::string_view("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11), 100), "Hello");
  EXPECT_EQ(inflater.inflate(std::string_view("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8), 100), "Hello");
  EXPECT_EQ(inflater.inflate(std::string_view("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13), 100),
            "Hello");
  EXPECT_EQ(inflater.inflate(std::string_view("\x00", 1), 100), "");
  EXPECT_EQ(inflater.inflate("", 100), "");
}

TEST(Deflate, GoesRoundForEverySizeAndWindow) {
  Inflater inflater;
  for (int bits = kDeflateWindowBitsMin; bits <= kDeflateWindowBitsMax; ++bits) {
    Deflater deflater(Deflater::Format::raw, bits);
    for (std::size_t size : {0U, 1U, 511U, 65'535U, 65'536U, 65'537U, 300'000U}) {
      for (const std::string& text : {prose(size), noise(size), std::string(size, 'x')}) {
        std::string out = "before";
        deflater.append_flushed(out, text);
        EXPECT_TRUE(out.starts_with("before"));
        EXPECT_EQ(inflater.inflate(std::string_view(out).substr(6), size), text) << bits << " " << size;
      }
    }
  }
}

TEST(Deflate, RemembersNothingOfTheTextBefore) {
  Deflater deflater(Deflater::Format::raw);
  const std::string text = prose(5'000);
  std::string first;
  std::string second;
  deflater.append_flushed(first, text);
  deflater.append_flushed(second, text);
  EXPECT_EQ(first, second);
}

TEST(Deflate, GivesUpATextAtItsLimit) {
  Inflater inflater;
  for (std::size_t limit : {10U, 65'536U, 100'000U}) {
    EXPECT_EQ(inflater.inflate(flushed(std::string(limit, 'x')), limit), std::string(limit, 'x'));
    const auto more = inflater.inflate(flushed(std::string(limit + 1, 'x')), limit);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error(), InflateFault::too_big);
  }
  EXPECT_EQ(inflater.inflate(flushed(std::string(5'000'000, 'x')), 1'000'000).error(), InflateFault::too_big);
}

TEST(Deflate, LetsBlocksWithoutContentFollowATextAtItsLimit) {
  Inflater inflater;
  const std::string tail("\x00\x00\xff\xff", 4);
  const std::string text(70'000, 'x');
  std::string out = flushed(text);
  for (int i = 0; i < 3; ++i) out += tail + std::string(1, '\0');
  EXPECT_EQ(inflater.inflate(out, text.size()), text);
}

TEST(Deflate, GoesOnAfterABlockThatSaysItIsTheLast) {
  Inflater inflater;
  const std::string last("\xf3\x48\xcd\xc9\xc9\x07\x00", 7);
  EXPECT_EQ(inflater.inflate(last + last + std::string(1, '\0'), 10), "HelloHello");
  EXPECT_EQ(inflater.inflate(last + last + std::string(1, '\0'), 9).error(), InflateFault::too_big);
}

TEST(Deflate, RefusesWhatIsNoDeflate) {
  Inflater inflater;
  EXPECT_EQ(inflater.inflate("\xFF\xFF\xFF\xFF", 100).error(), InflateFault::corrupt);
  EXPECT_EQ(inflater.inflate(noise(2'000), 100'000).error(), InflateFault::corrupt);
  EXPECT_EQ(inflater.inflate(std::string_view("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), 100), "Hello") << "it recovers";
}

TEST(Deflate, RefusesATextThatIsCutShort) {
  // What is left may by chance be a whole text with the tail behind it; nearly always it is not.
  Inflater inflater;
  const std::string whole = flushed(prose(3'000));
  std::size_t refused = 0;
  for (std::size_t size = 1; size < whole.size(); ++size)
    if (!inflater.inflate(std::string_view(whole).substr(0, size), 100'000)) ++refused;
  EXPECT_GT(refused, whole.size() * 8 / 10);
}

}  // namespace
}  // namespace famemely
