#include <random>
#include <thread>

#include "kernels/attention_cases.h"

namespace sd::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void expect_reference(const AttentionInputs& inputs) {
  SCOPED_TRACE(testing::Message() << inputs.shape.queries << " by " << inputs.shape.keys << ", "
                                  << inputs.shape.heads << " heads of " << inputs.shape.size);
  for_each_kernel(inputs, [](AttentionTrial& trial, const Reference& reference) {
    expect_close(trial.run(), reference.out, reference.magnitude, trial.error());
  });
}

void run_each(const AttentionInputs& inputs, const std::function<void(AttentionTrial&)>& check) {
  for (const auto& kernel : kernels_here()) {
    SCOPED_TRACE(kernel_name(kernel));
    AttentionTrial trial(inputs, kernel);
    check(trial);
  }
}

Values part_of(const Values& values, int64_t begin, int64_t count) {
  return Values(values.begin() + begin, values.begin() + begin + count);
}

const std::byte* moved(const TokensView& view, int64_t elements, const AttentionKernel& kernel) {
  return static_cast<const std::byte*>(view.data) + elements * (kernel.bf16 ? 2 : 4);
}

TEST(KernelAttention, IsTheMeanOfValuesUnderSoftmax) {
  // One of everything, odd sizes, several groups of queries, several blocks of keys, a large head.
  for (const AttentionShape& shape : {AttentionShape{1, 1, 1, 1, 1},
                                      {2, 5, 3, 2, 7},
                                      {1, 33, 77, 3, 40},
                                      {2, 64, 64, 1, 160},
                                      {1, 150, 31, 2, 80},
                                      {1, 5, 1100, 1, 33},
                                      {1, 9, 301, 1, 512}}) {
    expect_reference(AttentionInputs(shape));
  }
}

TEST(KernelAttention, IsRightForRandomShapes) {
  std::mt19937 generator(7);
  const auto below = [&](unsigned end) { return 1 + static_cast<int64_t>(generator() % end); };
  for (unsigned i = 0; i < 16; ++i) {
    AttentionInputs inputs({below(2), below(70), below(90), below(3), below(70)}, i, below(3) - 1);
    inputs.causal = i % 3 == 0;
    expect_reference(inputs);
  }
}

TEST(KernelAttention, HidesLaterKeysWhereCausal) {
  for (const AttentionShape& shape : {AttentionShape{1, 77, 77, 2, 64},
                                      {1, 20, 31, 1, 3},
                                      {1, 31, 20, 1, 3},
                                      {1, 600, 600, 1, 2}}) {
    AttentionInputs inputs(shape);
    inputs.causal = true;
    expect_reference(inputs);
  }
}

TEST(KernelAttention, WritesNothingBesideItsHeads) {
  constexpr int64_t kQueries = 35, kWidth = 10, kToken = kWidth + 3, kRow = kQueries * kToken + 7;
  run_each(AttentionInputs({2, kQueries, 9, 2, 5}), [](AttentionTrial& trial) {
    const auto expected = trial.run();
    trial.take_room(2 * kRow, 3.0F);
    trial.call.out_row_stride = kRow;
    trial.call.out_token_stride = kToken;
    const auto out = trial.run();
    Values inside, beside;
    for (int64_t i = 0; i < 2 * kRow; ++i) {
      const bool head = i % kRow < kQueries * kToken && i % kRow % kToken < kWidth;
      (head ? inside : beside).push_back(out[static_cast<std::size_t>(i)]);
    }
    expect_same_bits(inside, expected);
    expect_same_bits(beside, Values(beside.size(), 3.0F));
  });
}

TEST(KernelAttention, GivesARowTheSameBitsAloneAndInABatch) {
  run_each(AttentionInputs({3, 70, 90, 2, 40}), [](AttentionTrial& trial) {
    const auto all = trial.run();
    const auto of_row = static_cast<int64_t>(all.size()) / 3;
    const auto batch = trial.call.q;
    trial.call.rows = 1;
    for (int64_t row = 0; row < 3; ++row) {
      trial.call.q.data = moved(batch, row * batch.row_stride, trial.kernel);
      trial.call.key_rows = &row;
      expect_same_bits(part_of(trial.run(), 0, of_row), part_of(all, row * of_row, of_row));
    }
  });
}

TEST(KernelAttention, GivesAQueryTheSameBitsAmongOthers) {
  run_each(AttentionInputs({1, 140, 600, 1, 40}), [](AttentionTrial& trial) {
    const auto all = trial.run();
    constexpr int64_t kFirst = 97, kCount = 11;
    trial.call.q.data = moved(trial.call.q, kFirst * trial.call.q.token_stride, trial.kernel);
    trial.call.queries = kCount;
    expect_same_bits(part_of(trial.run(), 0, kCount * 40), part_of(all, kFirst * 40, kCount * 40));
  });
}

TEST(KernelAttention, GivesTheSameBitsOnAnyThreadInAnyOrder) {
  run_each(AttentionInputs({2, 300, 40, 3, 16}), [](AttentionTrial& trial) {
    const auto forward = trial.run();
    const AttentionPlan plan(trial.call);
    ASSERT_GT(plan.tasks(), 2);
    trial.take_room(static_cast<int64_t>(forward.size()), 0.0F);
    const AttentionPlan backward(trial.call);
    const auto every_other = [&](int64_t first) {
      for (int64_t task = first; task >= 0; task -= 2) backward.run(task);
    };
    std::thread other(every_other, plan.tasks() - 2);
    every_other(plan.tasks() - 1);
    other.join();
    expect_same_bits(trial.out(), forward);
  });
}

TEST(KernelAttention, ReadsThePackedRowThatEachRowNames) {
  const AttentionInputs own({2, 5, 20, 2, 8});
  auto shared = own;  // the first row with keys and values of the second
  for (int64_t token = 0; token < own.tokens; ++token) {
    std::copy_n(shared.at(kK, 1, token, 0), 2 * own.part, shared.at(kK, 0, token, 0));
  }
  const std::vector<int64_t> second = {1, 1};
  for (const auto& kernel : kernels_here()) {
    SCOPED_TRACE(kernel_name(kernel));
    AttentionTrial named(own, kernel), copied(shared, kernel);
    named.call.key_rows = second.data();
    expect_same_bits(named.run(), copied.run());
  }
}

TEST(KernelAttention, PacksIntoTheCallersMemory) {
  const AttentionInputs inputs({2, 40, 77, 3, 40});
  for (const auto isa : isas_here()) {
    for (const bool bf16 : {false, true}) {
      const KeysShape shape{2, 77, 3, 40, bf16};
      const HugeBuffer memory(PackedKeys::memory_for(shape, isa));
      const auto operands = PackedKeys(shape, isa, memory.as()).operands();
      EXPECT_EQ(operands == Operands::kBf16Pairs, bf16 && has_bf16_units(isa));
      AttentionTrial own(inputs, {isa, operands, bf16});
      AttentionTrial lent(inputs, {isa, operands, bf16}, memory.as());
      expect_same_bits(lent.run(), own.run());
    }
  }
}

TEST(KernelAttention, HoldsAtVeryLargeLogits) {
  AttentionInputs inputs({1, 40, 600, 1, 4});
  for (int64_t token = 0; token < inputs.tokens; ++token) {
    for (int64_t i = 0; i < 4; ++i) inputs.at(kQ, 0, token, 0)[i] *= 5e3F;
  }
  for_each_kernel(inputs, [](AttentionTrial& trial, const Reference& reference) {
    // Of a logit of 2e4, float32 keeps 3 digits behind the point.
    expect_close(trial.run(), reference.out, reference.magnitude, 0.01);
  });
}

TEST(KernelAttention, MakesOneQueryNanWhereItIsNan) {
  AttentionInputs inputs({1, 40, 600, 2, 8});
  inputs.at(kQ, 0, 33, 1)[3] = std::numeric_limits<float>::quiet_NaN();
  expect_reference(inputs);
}

TEST(KernelAttention, KeepsNanOfAnyPayload) {
  for (const uint32_t bits : {0x7f810001U, 0xffff7fffU, 0x7fc1ffffU}) {
    AttentionInputs inputs({1, 3, 600, 1, 8});
    inputs.at(kK, 0, 5, 0)[2] = std::bit_cast<float>(bits);
    run_each(inputs, [](AttentionTrial& trial) {
      for (const float value : trial.run()) ASSERT_TRUE(std::isnan(value));
    });
  }
}

/// Keys begin to end of 600, which are two blocks, have logits of nothing but `value`.
AttentionInputs with_logits(int64_t begin, int64_t end, float value) {
  AttentionInputs inputs({1, 3, 600, 1, 8});
  for (int64_t query = 0; query < 3; ++query) inputs.at(kQ, 0, query, 0)[0] = 1.0F;
  for (int64_t key = begin; key < end; ++key) inputs.at(kK, 0, key, 0)[0] = value;
  return inputs;
}

TEST(KernelAttention, GivesNoWeightToKeysOfMinusInfinity) {
  expect_reference(with_logits(0, 1, -kInfinity));
  expect_reference(with_logits(0, 450, -kInfinity));
  expect_reference(with_logits(100, 600, -kInfinity));
}

TEST(KernelAttention, IsNanWhereAllLogitsAreMinusInfinity) {
  expect_reference(with_logits(0, 600, -kInfinity));
}

TEST(KernelAttention, IsNanWhereALogitIsInfinity) {
  expect_reference(with_logits(3, 4, kInfinity));
  expect_reference(with_logits(599, 600, kInfinity));
}

TEST(KernelAttention, MultipliesGivenProbabilitiesWithValues) {
  for (const AttentionShape& shape :
       {AttentionShape{2, 37, 77, 2, 40}, {1, 5, 601, 1, 7}, {1, 3, 1, 1, 1}}) {
    for_each_kernel(AttentionInputs(shape), [](AttentionTrial& trial, const Reference& reference) {
      const Values given(reference.probabilities.begin(), reference.probabilities.end());
      trial.call.given = given.data();
      trial.call.q = {};
      expect_close(trial.run(), reference.out, reference.magnitude, trial.error());
    });
  }
}

constexpr AttentionShape kWatched{3, 75, 600, 3, 8};
const std::vector<int64_t> kRows = {2, 0}, kHeads = {1, 2};

/// What is to be seen of chosen rows and heads: [rows][heads][queries][keys].
std::vector<double> seen_of(const Reference& reference, const AttentionShape& s) {
  std::vector<double> seen;
  for (const auto row : kRows) {
    for (const auto head : kHeads) {
      const auto* from =
          reference.probabilities.data() + (row * s.heads + head) * s.queries * s.keys;
      seen.insert(seen.end(), from, from + s.queries * s.keys);
    }
  }
  return seen;
}

/// Watches `found`, of which `watch` is a member of AttentionWatch, and expects the same output.
Values watched(AttentionTrial& trial, float* AttentionWatch::*watch, std::size_t count) {
  const auto plain = trial.run();
  Values found(count, -1.0F);
  trial.call.watch = {};
  trial.call.watch.rows = kRows;
  trial.call.watch.heads = kHeads;
  trial.call.watch.*watch = found.data();
  expect_same_bits(trial.run(), plain);
  return found;
}

TEST(KernelAttentionWatch, ShowsProbabilitiesOfChosenRowsAndHeads) {
  for_each_kernel(AttentionInputs(kWatched), [](AttentionTrial& trial, const Reference& reference) {
    const auto seen = seen_of(reference, kWatched);
    const auto found = watched(trial, &AttentionWatch::probabilities, seen.size());
    expect_close(found, seen, seen, 1e-5);
    trial.call.out = nullptr;
    Values alone(seen.size(), -1.0F);
    trial.call.watch.probabilities = alone.data();
    trial.run();
    expect_same_bits(alone, found);
  });
}

TEST(KernelAttentionWatch, ShowsTheMeanOverHeads) {
  for_each_kernel(AttentionInputs(kWatched), [](AttentionTrial& trial, const Reference& reference) {
    const auto seen = seen_of(reference, kWatched);
    const std::size_t one = kWatched.queries * kWatched.keys;
    std::vector<double> mean;
    for (std::size_t i = 0; i < 2 * one; ++i) {
      const auto at = i / one * 2 * one + i % one;
      mean.push_back((seen[at] + seen[at + one]) / 2);
    }
    expect_close(watched(trial, &AttentionWatch::head_mean, 2 * one), mean, mean, 1e-5);
  });
}

TEST(KernelAttentionWatch, ShowsSumsOverQueries) {
  for_each_kernel(AttentionInputs(kWatched), [](AttentionTrial& trial, const Reference& reference) {
    const auto seen = seen_of(reference, kWatched);
    std::vector<double> sums(4 * kWatched.keys);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      sums[i / (kWatched.queries * kWatched.keys) * kWatched.keys + i % kWatched.keys] += seen[i];
    }
    expect_close(watched(trial, &AttentionWatch::column_sums, sums.size()), sums, sums, 1e-5);
  });
}

TEST(KernelAttentionWatch, ShowsAllAtOnceAsOneByOne) {
  run_each(AttentionInputs({3, 75, 600, 3, 8}), [](AttentionTrial& trial) {
    const std::size_t one = kWatched.queries * kWatched.keys;
    const auto probabilities = watched(trial, &AttentionWatch::probabilities, 4 * one);
    const auto mean = watched(trial, &AttentionWatch::head_mean, 2 * one);
    const auto sums = watched(trial, &AttentionWatch::column_sums, 4 * kWatched.keys);
    Values all(4 * one), all_mean(2 * one), all_sums(4 * kWatched.keys, 9.0F);
    trial.call.watch.probabilities = all.data();
    trial.call.watch.head_mean = all_mean.data();
    trial.call.watch.column_sums = all_sums.data();
    trial.run();
    expect_same_bits(all, probabilities);
    expect_same_bits(all_mean, mean);
    expect_same_bits(all_sums, sums);
  });
}

TEST(KernelAttentionWatch, ShowsNothingOfHiddenKeys) {
  constexpr AttentionShape kShape{3, 270, 520, 3, 2};  // two blocks
  AttentionInputs inputs(kShape);
  inputs.causal = true;
  for_each_kernel(inputs, [&](AttentionTrial& trial, const Reference& reference) {
    const auto seen = seen_of(reference, kShape);
    expect_close(watched(trial, &AttentionWatch::probabilities, seen.size()), seen, seen, 1e-5);
  });
}

}  // namespace
}  // namespace sd::kernels
