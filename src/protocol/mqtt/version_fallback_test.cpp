#include "protocol/mqtt/version_fallback.hpp"

#include <gtest/gtest.h>

namespace famemely::mqtt {
namespace {

constexpr auto kV5 = ProtocolVersion::v5;
constexpr auto kV311 = ProtocolVersion::v3_1_1;

TEST(VersionFallback, BeginsWith5AndRemembers311OnceRefused) {
  VersionFallback fallback(VersionChoice::automatic);
  EXPECT_EQ(fallback.version(), kV5);
  EXPECT_TRUE(fallback.on_version_refused());
  EXPECT_EQ(fallback.version(), kV311);
  fallback.on_other_failure();
  EXPECT_EQ(fallback.version(), kV311);
}

TEST(VersionFallback, GoesBackTo5WhenBothAreRefused) {
  VersionFallback fallback(VersionChoice::automatic);
  EXPECT_TRUE(fallback.on_version_refused());
  EXPECT_FALSE(fallback.on_version_refused());
  EXPECT_EQ(fallback.version(), kV5);
}

TEST(VersionFallback, KeepsWhatSucceedsAfterAConnectionWithoutAnAnswer) {
  VersionFallback fallback(VersionChoice::automatic);
  EXPECT_TRUE(fallback.on_no_answer());
  EXPECT_EQ(fallback.version(), kV311);
  fallback.on_accepted();
  EXPECT_FALSE(fallback.on_no_answer());
  EXPECT_EQ(fallback.version(), kV311);
}

TEST(VersionFallback, GoesBackTo5When311DoesNotSucceedEither) {
  VersionFallback fallback(VersionChoice::automatic);
  EXPECT_TRUE(fallback.on_no_answer());
  EXPECT_FALSE(fallback.on_no_answer());
  EXPECT_EQ(fallback.version(), kV5);
  EXPECT_TRUE(fallback.on_no_answer());
  fallback.on_other_failure();
  EXPECT_EQ(fallback.version(), kV5);
}

TEST(VersionFallback, TakesNoAnswerForAnAccidentOnce5WasAccepted) {
  VersionFallback fallback(VersionChoice::automatic);
  fallback.on_accepted();
  EXPECT_FALSE(fallback.on_no_answer());
  EXPECT_EQ(fallback.version(), kV5);
  EXPECT_TRUE(fallback.on_version_refused());
}

TEST(VersionFallback, AdoptsWhatAnotherConnectionSpeaks) {
  VersionFallback fallback(VersionChoice::automatic);
  EXPECT_TRUE(fallback.on_no_answer());
  fallback.adopt(kV5);
  EXPECT_FALSE(fallback.on_no_answer());
  EXPECT_EQ(fallback.version(), kV5);
  fallback.adopt(kV311);
  EXPECT_EQ(fallback.version(), kV311);
}

TEST(VersionFallback, KeepsAChosenVersion) {
  VersionFallback only_5(VersionChoice::only_5);
  EXPECT_FALSE(only_5.on_version_refused());
  EXPECT_FALSE(only_5.on_no_answer());
  EXPECT_EQ(only_5.version(), kV5);
  VersionFallback only_311(VersionChoice::only_3_1_1);
  EXPECT_EQ(only_311.version(), kV311);
  EXPECT_FALSE(only_311.on_version_refused());
  EXPECT_EQ(only_311.version(), kV311);
}

}  // namespace
}  // namespace famemely::mqtt
