#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "app/surroundings.hpp"
#include "base/random_source.hpp"

namespace famemely::app {

inline constexpr const char* kTestSecret = "0123456789abcdef0123456789abcdef";

/// Counts up from one: every secret of a test is another.
class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    std::ranges::generate(bytes, [this] { return ++last_; });
  }

 private:
  std::uint8_t last_ = 0;
};

/// For tests: an empty working directory that goes with the test, an empty environment, one core.
class SurroundingsFixture : public ::testing::Test {
 protected:
  SurroundingsFixture() {
    std::string name = (std::filesystem::temp_directory_path() / "famemely-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    around_.directory = name;
    around_.host_name = "machine";
    around_.now = WallTime(std::chrono::milliseconds(1'700'000'000'500));
  }
  ~SurroundingsFixture() override {
    std::error_code ignored;
    std::filesystem::remove_all(around_.directory, ignored);
  }

  void write(const std::string& name, std::string_view content) const {
    std::ofstream(around_.directory / name, std::ios::binary) << content;
  }

  Surroundings around_;
  CountingRandom random_;
};

}  // namespace famemely::app
