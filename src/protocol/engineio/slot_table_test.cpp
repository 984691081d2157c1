#include "protocol/engineio/slot_table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace famemely::engineio {
namespace {

TEST(EngineSlotTable, FindsWhatWasPut) {
  SlotTable table;
  EXPECT_EQ(table.find(1), std::nullopt);
  table.put(1, 10);
  table.put(2, 20);
  table.put(1, 11);
  EXPECT_EQ(table.find(1), 11U);
  EXPECT_EQ(table.find(2), 20U);
  EXPECT_EQ(table.size(), 2U);
}

TEST(EngineSlotTable, ErasesTheKeyZeroToo) {
  SlotTable table;
  table.erase(0);
  table.put(0, 1);
  table.erase(0);
  EXPECT_EQ(table.find(0), std::nullopt);
  table.erase(0);
  EXPECT_EQ(table.size(), 0U);
}

TEST(EngineSlotTable, AgreesWithAnOrdinaryMapOverManySteps) {
  SlotTable table;
  std::unordered_map<std::uint64_t, std::uint32_t> model;
  std::mt19937 random(1);
  for (std::uint32_t step = 0; step < 200'000; ++step) {
    const std::uint64_t key = random() % 500 * (step % 2 == 0 ? 1 : 0x100000000ULL);
    if (random() % 3 == 0) {
      table.erase(key);
      model.erase(key);
    } else {
      table.put(key, step);
      model[key] = step;
    }
    const std::uint64_t asked = random() % 500;
    const auto expected = model.find(asked);
    ASSERT_EQ(table.find(asked), expected == model.end() ? std::nullopt : std::optional(expected->second));
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [key, slot] : model) EXPECT_EQ(table.find(key), slot);
}

}  // namespace
}  // namespace famemely::engineio
