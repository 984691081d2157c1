#include "io/file_watch.hpp"

#include <sys/stat.h>

#include <utility>

namespace famemely::io {

FileWatch::FileWatch(boost::asio::io_context& loop, std::string file, std::function<void()> on_changed,
                     std::chrono::milliseconds interval)
    : file_(std::move(file)),
      on_changed_(std::move(on_changed)),
      interval_(interval),
      timer_(loop),
      told_(look()),
      last_(told_) {
  wait();
}

FileWatch::Look FileWatch::look() const {
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) return {};
  return {.there = true,
          .device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .changed_ns = std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
}

void FileWatch::wait() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    compare();
    wait();
  });
}

void FileWatch::compare() {
  const Look now = look();
  if (std::exchange(last_, now) != now || now == told_) return;
  told_ = now;
  on_changed_();
}

}  // namespace famemely::io
