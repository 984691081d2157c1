#include "app/dev_secret.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "app/surroundings_fixture.hpp"

namespace famemely::app {
namespace {

using ::testing::HasSubstr;

class DevSecret : public SurroundingsFixture {
 protected:
  std::filesystem::path file() const { return around_.directory / kDevSecretFile; }
  Result<std::string, std::string> secret() { return dev_secret(around_.directory, random_); }
  mode_t mode() const {
    struct stat status {};
    return ::stat(file().c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }
};

TEST_F(DevSecret, IsMadeOnceAndKept) {
  const auto first = secret();
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(first->size(), 43U);
  EXPECT_EQ(secret(), *first);
}

TEST_F(DevSecret, IsReadableByItsOwnerAlone) {
  ASSERT_TRUE(secret());
  EXPECT_EQ(mode(), 0600U);
  ASSERT_EQ(::chmod(file().c_str(), 0644), 0);
  ASSERT_TRUE(secret());
  EXPECT_EQ(mode(), 0600U);
}

TEST_F(DevSecret, LeavesNothingElseBehind) {
  ASSERT_TRUE(secret());
  const std::filesystem::directory_iterator entries(around_.directory);
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(DevSecret, IsOneForAllWhoStartAtOnce) {
  std::vector<std::string> secrets(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < secrets.size(); ++i)
    threads.emplace_back([&, i] {
      CountingRandom random;
      std::vector<std::uint8_t> skipped(i);
      random.fill(skipped);  // so that each would make another secret
      secrets[i] = dev_secret(around_.directory, random).value_or("fault");
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& each : secrets) EXPECT_EQ(each, *secret());
}

TEST_F(DevSecret, IsRefusedWhenTooShort) {
  write(kDevSecretFile, "short\n");
  EXPECT_THAT(secret().error(), HasSubstr("delete it"));
  write(kDevSecretFile, "");
  EXPECT_THAT(secret().error(), HasSubstr("delete it"));
}

TEST_F(DevSecret, IsNoLinkAndNoDirectory) {
  write("elsewhere", std::string(40, 'x'));
  std::filesystem::create_symlink(around_.directory / "elsewhere", file());
  EXPECT_FALSE(secret());
  std::filesystem::remove(file());
  std::filesystem::create_directory(file());
  EXPECT_THAT(secret().error(), HasSubstr("not a plain file"));
}

TEST_F(DevSecret, SaysWhyItCannotBeMade) {
  const auto refused = dev_secret(around_.directory / "missing", random_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("set SUPABASE_JWT_SECRET"));
}

}  // namespace
}  // namespace famemely::app
