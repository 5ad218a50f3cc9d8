#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cli/shell/turns.h"

namespace sd::cli {
namespace {

using Units = std::vector<std::size_t>;

Units first_units(std::size_t count) {
  Units units(count);
  std::iota(units.begin(), units.end(), 0);
  return units;
}

/// A unit that is ready only when another worker has begun a later one.
void wait_until(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

TEST(Turns, UnitsThatAreReadyEarlyAreToldInOrder) {
  Turns turns(4, 4);
  std::atomic<bool> second_is_ready = false;
  Units told;
  side_by_side(2, turns, [&](std::size_t) {
    while (const auto unit = turns.begin()) {
      Turn turn(turns, *unit);
      if (*unit == 0) wait_until(second_is_ready);
      turn.tell([&, unit] { told.push_back(*unit); });
      if (*unit == 1) second_is_ready = true;
      ASSERT_TRUE(turn.take());
      turns.pass();
    }
  });
  EXPECT_EQ(told, first_units(4));
}

TEST(Turns, EachUnitIsBegunOnce) {
  constexpr std::size_t kUnits = 100;
  Turns turns(kUnits, 8);
  Units begun;
  std::mutex adding;
  side_by_side(4, turns, [&](std::size_t) {
    while (const auto unit = turns.begin()) {
      {
        const std::lock_guard lock(adding);
        begun.push_back(*unit);
      }
      if (turns.wait(*unit)) turns.pass();
    }
  });
  std::sort(begun.begin(), begun.end());
  EXPECT_EQ(begun, first_units(kUnits));
}

TEST(Turns, NoUnitBeginsTooFarAhead) {
  Turns turns(5, 2);
  EXPECT_EQ(turns.begin(), 0u);
  EXPECT_EQ(turns.begin(), 1u);
  std::atomic<bool> passed = false;
  std::thread later([&] {
    EXPECT_EQ(turns.begin(), 2u);
    EXPECT_TRUE(passed);
  });
  passed = true;
  turns.pass();
  later.join();
}

TEST(Turns, WhatIsToldInTurnComesBehindWhatWasKept) {
  Turns turns(2, 2);
  turns.begin();
  turns.begin();
  Turn second(turns, 1);
  Units told;
  second.tell([&] { told.push_back(0); });
  EXPECT_TRUE(told.empty());
  turns.pass();
  second.tell([&] { told.push_back(1); });
  EXPECT_EQ(told, (Units{0, 1}));
}

TEST(Turns, AStopLeavesTheRestUntold) {
  Turns turns(3, 3);
  for (int i = 0; i < 3; ++i) turns.begin();
  Turn last(turns, 2);
  bool told = false;
  last.tell([&] { told = true; });
  turns.stop();
  EXPECT_FALSE(last.take());
  EXPECT_FALSE(told);
  EXPECT_EQ(turns.begin(), std::nullopt);
}

TEST(Turns, AnErrorWhileTellingDropsWhatWasKept) {
  Turns turns(2, 2);
  turns.begin();
  turns.begin();
  Turn second(turns, 1);
  int told = 0;
  second.tell([] { throw std::runtime_error("disk full"); });
  second.tell([&] { ++told; });
  turns.pass();
  EXPECT_THROW(second.take(), std::runtime_error);
  EXPECT_TRUE(second.take());
  EXPECT_EQ(told, 0);
}

TEST(SideBySide, AnErrorStopsTheOthersAndIsThrownWhenAllAreDone) {
  Turns turns(2, 2);
  std::atomic<int> ended = 0;
  const auto work = [&](std::size_t worker) {
    const auto unit = turns.begin();
    if (worker == 1) throw std::runtime_error("no memory");
    if (unit && *unit == 1) turns.wait(1);  // for a turn that never comes
    ++ended;
  };
  EXPECT_THROW(side_by_side(3, turns, work), std::runtime_error);
  EXPECT_EQ(ended, 2);
}

}  // namespace
}  // namespace sd::cli
