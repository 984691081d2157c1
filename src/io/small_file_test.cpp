#include "io/small_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>

namespace famemely::io {
namespace {

namespace fs = std::filesystem;

class SmallFileTest : public ::testing::Test {
 protected:
  SmallFileTest() {
    std::string name = (fs::temp_directory_path() / "famemely-file-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    file_ = (directory_ / "file").string();
  }
  ~SmallFileTest() override { fs::remove_all(directory_); }

  fs::path directory_;
  std::string file_;
};

TEST_F(SmallFileTest, IsReadUpToItsBound) {
  std::ofstream(file_) << "12345";
  EXPECT_EQ(read_small_file(file_, 5), "12345");
  EXPECT_EQ(read_small_file(file_, 4).error(), file_ + ": it is over 4 bytes");
  std::ofstream(file_) << "";
  EXPECT_EQ(read_small_file(file_, 4), "");
}

TEST_F(SmallFileTest, SaysWhyItCannotBeRead) {
  EXPECT_EQ(read_small_file(file_, 5).error(), file_ + ": No such file or directory");
  EXPECT_EQ(read_small_file(directory_.string(), 5).error(), directory_.string() + ": not a plain file");
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(read_small_file(file_, 5).error(), file_ + ": not a plain file");
}

}  // namespace
}  // namespace famemely::io
