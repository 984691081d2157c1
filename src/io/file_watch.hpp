#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace famemely::io {

/// Tells of a file's change by looking at it once in a while. That finds what inotify does not: a file on a network
/// drive, one that a container platform replaces through links, one whose folder is replaced.
///
/// All functions are called on the loop's thread, or before it runs.
class FileWatch {
 public:
  static constexpr std::chrono::milliseconds kInterval{1000};

  /// `on_changed` is called for every change from how the file is now: another content, another file in its place,
  /// gone, or there again. A file is told of once it has stayed the same from one look to the next, so that it is not
  /// read while it is being written.
  FileWatch(boost::asio::io_context& loop, std::string file, std::function<void()> on_changed,
            std::chrono::milliseconds interval = kInterval);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  /// What a change of the file changes.
  struct Look {
    bool there = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_ns = 0;  // of content or rights

    bool operator==(const Look&) const = default;
  };

  [[nodiscard]] Look look() const;
  void wait();
  void compare();

  std::string file_;
  std::function<void()> on_changed_;
  std::chrono::milliseconds interval_;
  boost::asio::steady_timer timer_;
  Look told_;  // how it was when it was last told of
  Look last_;  // how it was at the last look
};

}  // namespace famemely::io
