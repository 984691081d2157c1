#include "base/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace famemely {
namespace {

constexpr int kGzipWrapping = 16;        // added to the window bits: zlib.h, deflateInit2
constexpr std::size_t kFlushBytes = 16;  // what a flush may add to zlib's bound, and more
constexpr std::string_view kFlushTail("\x00\x00\xFF\xFF", 4);
constexpr std::size_t kSmallBytes = 65'536;

/// zlib does not write there.
Bytef* input(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

}  // namespace

struct Deflater::Stream {
  Stream(int wrapped_bits, int memory_level) {
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, wrapped_bits, memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~Stream() { deflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  z_stream z{};
};

Deflater::Deflater(Format format, int window_bits) : format_(format), window_bits_(window_bits) {}
Deflater::~Deflater() = default;
Deflater::Deflater(Deflater&& other) noexcept = default;
Deflater& Deflater::operator=(Deflater&& other) noexcept = default;

void Deflater::append_whole(std::string& out, std::string_view text) { append(out, text, Z_FINISH); }

void Deflater::append_flushed(std::string& out, std::string_view text) {
  append(out, text, Z_SYNC_FLUSH);
  out.resize(out.size() - kFlushTail.size());
}

void Deflater::append(std::string& out, std::string_view text, int flush) {
  if (stream_) {
    deflateReset(&stream_->z);
  } else {
    // The hash chains take as much again as the window.
    const int memory_level = window_bits_ - 7;
    const int bits = format_ == Format::gzip ? window_bits_ + kGzipWrapping : -window_bits_;
    stream_ = std::make_unique<Stream>(bits, memory_level);
  }
  z_stream& z = stream_->z;
  const std::size_t before = out.size();
  out.resize(before + deflateBound(&z, text.size()) + kFlushBytes);
  z.next_in = input(text);
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
  z.avail_out = static_cast<uInt>(out.size() - before);
  const int outcome = deflate(&z, flush);
  if (outcome != (flush == Z_FINISH ? Z_STREAM_END : Z_OK) || z.avail_out == 0) std::abort();  // the bound is one
  out.resize(before + z.total_out);
}

struct Inflater::Stream {
  Stream() {
    if (inflateInit2(&z, -kDeflateWindowBitsMax) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  z_stream z{};
};

Inflater::Inflater() = default;
Inflater::~Inflater() = default;

std::expected<std::string_view, InflateFault> Inflater::inflate(std::string_view deflated, std::size_t bytes_max) {
  if (!stream_) {
    stream_ = std::make_unique<Stream>();
    buffer_ = std::make_unique_for_overwrite<char[]>(kSmallBytes);
  }
  large_buffer_.reset();
  if (deflated.empty()) return std::string_view();
  z_stream& z = stream_->z;
  inflateReset(&z);
  char* out = buffer_.get();
  std::size_t capacity = std::min(kSmallBytes, bytes_max);
  std::size_t size = 0;

  for (const std::string_view part : {deflated, kFlushTail}) {
    z.next_in = input(part);
    z.avail_in = static_cast<uInt>(part.size());
    bool output_pending = false;
    while (z.avail_in > 0 || output_pending) {
      if (size == capacity && capacity < bytes_max) {
        // Nothing of it is touched, and so none of it is taken, that the text does not fill.
        large_buffer_ = std::make_unique_for_overwrite<char[]>(bytes_max);
        std::memcpy(large_buffer_.get(), out, size);
        out = large_buffer_.get();
        capacity = bytes_max;
      }
      // Past the limit there is room for one byte, which must stay free: blocks without content may yet come.
      char one_more = 0;
      const bool full = size == capacity;
      const std::size_t room = full ? 1 : capacity - size;
      z.next_out = reinterpret_cast<Bytef*>(full ? &one_more : out + size);
      z.avail_out = static_cast<uInt>(room);
      const int outcome = ::inflate(&z, Z_SYNC_FLUSH);
      const std::size_t made = room - z.avail_out;
      if (full && made > 0) return std::unexpected(InflateFault::too_big);
      size += made;
      output_pending = z.avail_out == 0;
      if (outcome == Z_STREAM_END) {
        // A block may say that it is the last one, and others may follow it all the same (RFC 7692 section 7.2.3.4).
        inflateReset(&z);
        output_pending = false;
      } else if (outcome == Z_BUF_ERROR && z.avail_in == 0) {
        // Not an error: all there was had been given out when the room ended.
        output_pending = false;
      } else if (outcome != Z_OK) {
        return std::unexpected(InflateFault::corrupt);
      }
    }
  }
  // zlib.h, inflate: 128 stands for the end of a block, the low bits for bits that are left of a byte.
  constexpr int kAtEndOfBlock = 128;
  if (z.data_type != kAtEndOfBlock) return std::unexpected(InflateFault::corrupt);
  return std::string_view(out, size);
}

}  // namespace famemely
