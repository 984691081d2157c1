#include "io/file_watch.hpp"

#include <gtest/gtest.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

namespace famemely::io {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    std::string name = (fs::temp_directory_path() / "famemely-watch-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    file_ = (directory_ / "file").string();
  }
  ~FileWatchTest() override { fs::remove_all(directory_); }

  void write(const std::string& content) const { std::ofstream(file_) << content; }
  /// How often it was told of within a few looks.
  int told() {
    told_ = 0;
    context_.restart();
    context_.run_for(100ms);
    return told_;
  }
  void watch() {
    watch_.emplace(
        context_, file_, [this] { ++told_; }, 5ms);
  }

  boost::asio::io_context context_{1};
  fs::path directory_;
  std::string file_;
  int told_ = 0;
  std::optional<FileWatch> watch_;
};

TEST_F(FileWatchTest, SaysNothingWhileNothingChanges) {
  write("a");
  watch();
  EXPECT_EQ(told(), 0);
}

TEST_F(FileWatchTest, TellsOfAnotherContentOnce) {
  write("a");
  watch();
  write("bb");
  EXPECT_EQ(told(), 1);
  EXPECT_EQ(told(), 0);
}

TEST_F(FileWatchTest, TellsOfAnotherFileInItsPlace) {
  write("a");
  watch();
  const std::string aside = file_ + ".new";
  std::ofstream(aside) << "a";
  fs::last_write_time(aside, fs::last_write_time(file_));
  fs::rename(aside, file_);
  EXPECT_EQ(told(), 1);
}

TEST_F(FileWatchTest, FollowsALinkToItsNewTarget) {
  const fs::path one = directory_ / "one";
  const fs::path two = directory_ / "two";
  std::ofstream(one) << "a";
  std::ofstream(two) << "b";
  fs::create_symlink(one, file_);
  watch();
  fs::remove(file_);
  fs::create_symlink(two, file_);
  EXPECT_EQ(told(), 1);
}

TEST_F(FileWatchTest, TellsOfAFileThatGoesAndComes) {
  write("a");
  watch();
  fs::remove(file_);
  EXPECT_EQ(told(), 1);
  write("a");
  EXPECT_EQ(told(), 1);
}

TEST_F(FileWatchTest, WaitsUntilTheFileIsWritten) {
  write("a");
  watch_.emplace(
      context_, file_, [this] { ++told_; }, 50ms);
  // Both on one loop, so that there is a change between two looks however late either comes.
  boost::asio::steady_timer writer(context_);
  std::string content = "b";
  int left = 50;
  std::function<void()> write_on = [&] {
    write(content += "b");
    if (--left == 0) return;
    writer.expires_after(5ms);
    writer.async_wait([&](const boost::system::error_code&) { write_on(); });
  };
  write_on();
  while (left > 0) context_.run_one();
  EXPECT_EQ(told_, 0);
  context_.run_for(200ms);
  EXPECT_EQ(told_, 1);
}

TEST_F(FileWatchTest, EndsWithItsOwner) {
  write("a");
  watch();
  watch_.reset();
  write("bb");
  EXPECT_EQ(told(), 0);
}

}  // namespace
}  // namespace famemely::io
