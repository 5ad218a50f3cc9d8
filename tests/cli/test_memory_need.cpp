#include <gtest/gtest.h>

#include <string>

#include "cli/plan/gradient_need.h"
#include "cli/plan/memory_need.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

using test::expect_error;
using Kind = MemoryLimit::Kind;

constexpr int64_t kGB = 1'000'000'000;

/// One picture of a full-size model.
DrawOptions one_picture(DTypeChoice dtype, int64_t side = 512) {
  DrawOptions options;
  options.dtype = dtype;
  options.W = options.H = side;
  options.n_iter = options.n_samples = 1;
  return options;
}

MemoryNeed need_of(const DrawOptions& options) {
  return memory_need(options, ModelConfig{}, "absent.ckpt");
}

MemoryNeed full_size(DTypeChoice dtype, int64_t side = 512) {
  return need_of(one_picture(dtype, side));
}

Machine machine_with(int64_t available, std::vector<MemoryLimit> limits = {}) {
  Machine machine;
  machine.memory_total = machine.memory_available = available;
  machine.memory_limits = std::move(limits);
  return machine;
}

MemoryLimit group_of(int64_t bytes, Kind kind = Kind::kResident, int64_t swap = 0) {
  return {kind, "memory.max of the control group /a", bytes, 0, swap};
}

// What was measured (docs/performance.md), and what an estimate may be above it.
void expect_about(int64_t found, double measured) {
  EXPECT_GE(static_cast<double>(found), measured);
  EXPECT_LE(static_cast<double>(found), 1.2 * measured);
}

TEST(MemoryNeed, IsThatOfTheUNetWhileItRuns) {
  expect_about(full_size(DTypeChoice::kF32).usual, 3.87e9);
  expect_about(full_size(DTypeChoice::kBF16).usual, 2.01e9);
}

TEST(MemoryNeed, CountsAByteAWeightOf8Bits) {
  auto options = one_picture(DTypeChoice::kF32);
  const auto whole = need_of(options);
  options.weights = WeightsChoice::kInt8;
  // While the UNet runs; in 8 bits, decoding needs more than that.
  EXPECT_EQ(whole.least - need_of(options).least, int64_t{3} * 859'520'964);
}

TEST(MemoryNeed, IsOfAPartOfTheUNetWithLowMemory) {
  auto options = one_picture(DTypeChoice::kF32);
  options.low_memory = true;
  expect_about(need_of(options).usual, 1.72e9);
}

TEST(MemoryNeed, AddsTheDecoderToTheUNetWhereMoreIsDrawn) {
  auto options = one_picture(DTypeChoice::kF32);
  const auto one = need_of(options);
  options.n_iter = 2;
  EXPECT_GT(need_of(options).usual, one.usual);
}

TEST(MemoryNeed, GrowsWithThePicture) {
  EXPECT_GT(full_size(DTypeChoice::kF32, 1024).least, full_size(DTypeChoice::kF32, 512).least);
}

TEST(MemoryNeed, OfALargePictureIsThatOfItsBands) {
  EXPECT_LT(full_size(DTypeChoice::kBF16, 2048).least, 6 * kGB);
  EXPECT_GT(full_size(DTypeChoice::kF32, 2048).usual, full_size(DTypeChoice::kF32, 1024).usual);
}

TEST(RequireMemory, AGroupThatKillsIsNamed) {
  const auto machine = machine_with(30 * kGB, {group_of(kGB)});
  expect_error<OutOfMemory>([&] { require_memory(full_size(DTypeChoice::kF32), machine); },
                            "memory.max of the control group /a", "1.0 GB", "at least are needed");
}

TEST(RequireMemory, SwapMayHoldTheRest) {
  const auto machine = machine_with(30 * kGB, {group_of(kGB, Kind::kResident, 8 * kGB)});
  EXPECT_NO_THROW(require_memory(full_size(DTypeChoice::kF32), machine));
}

TEST(RequireMemory, ALimitThatOnlySlowsDownIsNoReason) {
  const auto machine = machine_with(30 * kGB, {group_of(kGB, Kind::kThrottled)});
  EXPECT_NO_THROW(require_memory(full_size(DTypeChoice::kF32), machine));
}

TEST(TightMemory, IsSaidWithWhatLimitsIt) {
  const auto machine = machine_with(3 * kGB, {group_of(3 * kGB)});
  const auto notice = tight_memory_notice(full_size(DTypeChoice::kF32), machine);
  EXPECT_NE(notice.find("3.0 GB are free (memory.max of the control group /a)"), std::string::npos)
      << notice;
}

TEST(TightMemory, IsNotSaidWhereThereIsEnough) {
  EXPECT_EQ(tight_memory_notice(full_size(DTypeChoice::kF32), machine_with(30 * kGB)), "");
}

/// A picture of the full-size model that --excite moves.
MemoryNeed guided(DTypeChoice dtype, int64_t side = 512) {
  auto options = one_picture(dtype, side);
  options.guides.excite = {"cat"};
  auto need = need_of(options);
  add_gradients(need, options, ModelConfig{});
  return need;
}

TEST(MemoryOfGradients, IsAddedForGuidesAndNullTextAlone) {
  auto options = one_picture(DTypeChoice::kBF16);
  MemoryNeed need;
  add_gradients(need, options, ModelConfig{});
  EXPECT_EQ(need.gradients, 0);
  options.inversion.method = InversionMethod::kDirect;
  add_gradients(need, options, ModelConfig{});
  EXPECT_EQ(need.usual, 0);
  options.inversion.method = InversionMethod::kNullText;
  add_gradients(need, options, ModelConfig{});
  EXPECT_GT(need.gradients, 0);
  MemoryNeed along;
  options.inversion.file = "kept.inv.safetensors";  // optimised before
  add_gradients(along, options, ModelConfig{});
  EXPECT_EQ(along.gradients, 0);
}

TEST(MemoryOfGradients, IsWhatWasMeasured) {
  const auto plain = full_size(DTypeChoice::kBF16), with = guided(DTypeChoice::kBF16);
  EXPECT_EQ(with.usual - plain.usual, with.gradients);
  expect_about(with.usual, 2.44e9);
  EXPECT_GT(with.gradients, 0.43e9 / 1.5);
  EXPECT_LT(with.gradients, 0.43e9 * 1.5);
}

TEST(MemoryOfGradients, GrowsWithThePicture) {
  EXPECT_GT(guided(DTypeChoice::kF32, 1024).gradients, guided(DTypeChoice::kF32, 512).gradients);
}

TEST(MemoryOfGradients, ARunThatCannotHaveItIsRefusedBeforeItBegins) {
  const auto plain = full_size(DTypeChoice::kF32), need = guided(DTypeChoice::kF32);
  const auto between = (plain.least + need.least) / 2;
  const auto full = machine_with(between);
  EXPECT_NO_THROW(require_memory_for_gradients(plain, full));
  EXPECT_NO_THROW(require_memory_for_gradients(need, machine_with(need.least)));
  expect_error<OutOfMemory>([&] { require_memory_for_gradients(need, full); },
                            memory_text(need.least) + " at least are needed",
                            memory_text(need.gradients / 2) + " of them for gradients",
                            memory_text(between) + " are free", "nothing was begun");
  const auto group = machine_with(30 * kGB, {group_of(between)});
  EXPECT_NO_THROW(require_memory(plain, group));
  expect_error<OutOfMemory>([&] { require_memory(need, group); }, memory_text(between));
  const auto advice = memory_advice(need, {}, between);
  for (const std::string& part :
       {"About " + memory_text(need.usual) + " are needed",
        "Of that " + memory_text(need.gradients), std::string("--excite, --box and null-text"),
        std::string("--dtype bf16")})
    EXPECT_NE(advice.find(part), std::string::npos) << advice;
}

TEST(MemoryAdvice, SaysWhatUlimitHasToBe) {
  MemoryNeed need;
  need.address_space = 1'024'000'000;
  const MemoryLimit limit{Kind::kAddressSpace, "ulimit -v", 500'000'000, 400'000'000};
  const auto advice = memory_advice(need, {limit}, 20 * kGB);
  EXPECT_NE(advice.find("About 1.0 GB are needed, and ulimit -v allows 500 MB."), std::string::npos)
      << advice;
  EXPECT_NE(advice.find("ulimit -v 1000000 (or unlimited)"), std::string::npos) << advice;
}

TEST(MemoryAdvice, AsksForMoreThanWhatWasNotEnough) {
  const MemoryLimit limit{Kind::kAddressSpace, "ulimit -v", 800'000'000, 790'000'000};
  const auto advice = memory_advice({}, {limit}, 20 * kGB);
  EXPECT_NE(advice.find("About 900 MB are needed"), std::string::npos) << advice;
}

TEST(MemoryAdvice, NamesTheGroupThatLeavesLeast) {
  auto inner = group_of(9 * kGB), outer = group_of(2 * kGB);
  outer.by = "memory.max of the control group /outer";
  const auto advice = memory_advice(full_size(DTypeChoice::kF32), {inner, outer}, 20 * kGB);
  EXPECT_NE(advice.find("/outer allows 2.0 GB"), std::string::npos) << advice;
  EXPECT_NE(advice.find("--dtype bf16"), std::string::npos) << advice;
}

}  // namespace
}  // namespace sd::cli
