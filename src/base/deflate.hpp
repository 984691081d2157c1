#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace famemely {

inline constexpr int kDeflateWindowBitsMin = 9;  // zlib makes no raw stream with 8
inline constexpr int kDeflateWindowBitsMax = 15;

/// Compresses texts one by one, none with a memory of the one before, so that one of these serves any number of
/// receivers. The memory of zlib is taken at the first use: 2^(window_bits + 3) bytes, 256 KiB for the largest window.
class Deflater {
 public:
  enum class Format : std::uint8_t { raw, gzip };

  explicit Deflater(Format format, int window_bits = kDeflateWindowBitsMax);
  ~Deflater();
  Deflater(Deflater&& other) noexcept;
  Deflater& operator=(Deflater&& other) noexcept;

  /// Appends the text as a stream that ends: with Format::gzip a whole gzip file (RFC 1952).
  void append_whole(std::string& out, std::string_view text);
  /// Appends the text as a raw stream that ends at a byte, without the empty block 00 00 FF FF that takes it there:
  /// what a message becomes with permessage-deflate (RFC 7692 section 7.2.1).
  void append_flushed(std::string& out, std::string_view text);

 private:
  struct Stream;

  void append(std::string& out, std::string_view text, int flush);

  std::unique_ptr<Stream> stream_;
  Format format_;
  int window_bits_;
};

enum class InflateFault : std::uint8_t { corrupt, too_big };

/// Undoes `Deflater::append_flushed`, for streams of any window: 40 KiB for zlib, 64 KiB for texts, and for a text that
/// is larger than that, until the next call, as much as it takes.
class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// The text, valid until the next call. One that would be larger than `bytes_max` is given up where it gets there.
  [[nodiscard]] std::expected<std::string_view, InflateFault> inflate(std::string_view deflated, std::size_t bytes_max);

 private:
  struct Stream;

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<char[]> buffer_;
  std::unique_ptr<char[]> large_buffer_;
};

}  // namespace famemely
