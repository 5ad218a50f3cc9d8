#include <random>
#include <thread>

#include "kernels/attention_cases.h"

namespace sd::kernels {
namespace {

class Attention : public testing::TestWithParam<AttentionKernel> {};

// One of everything, odd sizes, several groups of queries, several blocks of keys, one large head.
const std::vector<AttentionShape> kShapes = {
    {1, 1, 1, 1, 1},     {2, 5, 3, 2, 7},     {1, 33, 77, 3, 40}, {2, 64, 64, 1, 160},
    {1, 150, 31, 2, 80}, {1, 5, 1100, 1, 33}, {1, 9, 301, 1, 512}};

void expect_reference(Trial& run) {
  const Reference reference(run.in);
  expect_close(run.run(), reference.out, reference.magnitude, run.error());
}

TEST_P(Attention, IsTheMeanOfValuesUnderSoftmax) {
  for (const auto& shape : kShapes) {
    SCOPED_TRACE(shape.size);
    Trial run(AttentionInputs(shape), GetParam());
    expect_reference(run);
  }
}

TEST_P(Attention, IsRightForRandomShapes) {
  std::mt19937 generator(7);
  const auto below = [&](int64_t end) {
    return 1 + static_cast<int64_t>(generator() % static_cast<unsigned>(end));
  };
  for (unsigned i = 0; i < 12; ++i) {
    const AttentionShape shape{below(2), below(70), below(90), below(3), below(70)};
    SCOPED_TRACE(testing::Message() << shape.queries << " by " << shape.keys << ", " << shape.heads
                                    << " heads of " << shape.size);
    AttentionInputs inputs(shape, i, below(3) - 1);
    inputs.causal = i % 3 == 0;
    Trial run(inputs, GetParam());
    expect_reference(run);
  }
}

TEST_P(Attention, HidesLaterKeysWhereCausal) {
  for (const AttentionShape& shape :
       {AttentionShape{1, 77, 77, 2, 64}, {1, 20, 31, 1, 3}, {1, 700, 700, 1, 2}}) {
    AttentionInputs inputs(shape);
    inputs.causal = true;
    Trial run(inputs, GetParam());
    expect_reference(run);
  }
}

TEST_P(Attention, WritesNothingBesideItsHeads) {
  Trial run(AttentionInputs({2, 35, 9, 2, 5}), GetParam());
  const auto expected = run.run();
  constexpr int64_t kGap = 3, kWidth = 10;
  const int64_t token = kWidth + kGap, row = 35 * token + 7;
  const auto count = static_cast<std::size_t>(2 * row);
  if (run.kernel.bf16) {
    run.out_halves.assign(count, 0x4040);  // 3
  } else {
    run.out_floats.assign(count, 3.0F);
  }
  run.call.out =
      run.kernel.bf16 ? static_cast<void*>(run.out_halves.data()) : run.out_floats.data();
  run.call.out_row_stride = row;
  run.call.out_token_stride = token;
  const auto out = run.run();
  Values inside, beside;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<int64_t>(i) % row;
    (at < 35 * token && at % token < kWidth ? inside : beside).push_back(out[i]);
  }
  expect_same_bits(inside, expected);
  for (const float value : beside) ASSERT_EQ(value, 3.0F);
}

TEST_P(Attention, GivesARowTheSameBitsAloneAndInABatch) {
  const AttentionShape batch{3, 70, 90, 2, 40};
  Trial whole(AttentionInputs(batch), GetParam());
  const auto all = whole.run();
  for (int64_t row = 0; row < batch.rows; ++row) {
    Trial alone(AttentionInputs({1, 70, 90, 2, 40}), GetParam());
    alone.call.q.data = static_cast<const std::byte*>(whole.call.q.data) +
                        row * whole.call.q.row_stride * (whole.kernel.bf16 ? 2 : 4);
    alone.call.keys = &whole.keys;
    alone.call.key_rows = &row;
    const auto size = static_cast<std::ptrdiff_t>(all.size() / 3);
    expect_same_bits(alone.run(), Values(all.begin() + row * size, all.begin() + (row + 1) * size));
  }
}

TEST_P(Attention, GivesAQueryTheSameBitsAmongOthers) {
  Trial whole(AttentionInputs({1, 140, 600, 1, 40}), GetParam());
  const auto all = whole.run();
  constexpr int64_t kFirst = 97, kCount = 11;
  whole.call.q.data = static_cast<const std::byte*>(whole.call.q.data) +
                      kFirst * whole.call.q.token_stride * (whole.kernel.bf16 ? 2 : 4);
  whole.call.queries = kCount;
  auto few = whole.run();
  few.resize(kCount * 40);
  expect_same_bits(few, Values(all.begin() + kFirst * 40, all.begin() + (kFirst + kCount) * 40));
}

TEST_P(Attention, GivesTheSameBitsInAnyOrderOfTasks) {
  Trial run(AttentionInputs({2, 300, 40, 3, 16}), GetParam());
  const auto forward = run.run();
  const AttentionPlan plan(run.call);
  ASSERT_GT(plan.tasks(), 2);
  std::fill(run.out_floats.begin(), run.out_floats.end(), 0.0F);
  std::fill(run.out_halves.begin(), run.out_halves.end(), uint16_t{0});
  const auto every_other = [&](int64_t first) {
    for (int64_t task = plan.tasks() - 1 - first; task >= 0; task -= 2) plan.run(task);
  };
  std::thread other(every_other, 1);
  every_other(0);
  other.join();
  expect_same_bits(run.out(), forward);
}

TEST_P(Attention, ReadsThePackedRowThatEachRowNames) {
  Trial run(AttentionInputs({2, 5, 20, 2, 8}), GetParam());
  const auto own = run.run();
  const std::vector<int64_t> second = {1, 1};
  run.call.key_rows = second.data();
  const auto found = run.run();
  const auto half = static_cast<std::ptrdiff_t>(own.size() / 2);
  expect_same_bits(Values(found.begin() + half, found.end()),
                   Values(own.begin() + half, own.end()));
  for (int64_t token = 0; token < run.in.tokens; ++token) {
    for (int64_t i = run.in.part; i < run.in.token; ++i) {  // k and v of the first row
      const auto from = static_cast<std::size_t>((run.in.tokens + token) * run.in.token + i);
      run.in.values[static_cast<std::size_t>(token * run.in.token + i)] = run.in.values[from];
    }
  }
  const Reference reference(run.in);
  expect_close(found, reference.out, reference.magnitude, run.error());
}

TEST_P(Attention, PacksIntoTheCallersMemory) {
  const AttentionKernel kernel = GetParam();
  const AttentionInputs inputs({2, 40, 77, 3, 40});
  Trial own(inputs, kernel);
  const PackedKeys fastest({2, 77, 3, 40, kernel.bf16}, kernel.isa);
  if (fastest.operands() != kernel.operands) GTEST_SKIP() << "not what this CPU would take";
  const HugeBuffer memory(PackedKeys::memory_for(fastest.shape(), kernel.isa));
  Trial lent(inputs, kernel, memory.as());
  expect_same_bits(lent.run(), own.run());
}

TEST_P(Attention, HoldsAtVeryLargeLogits) {
  AttentionInputs inputs({1, 40, 600, 1, 4});
  for (int64_t token = 0; token < inputs.tokens; ++token) {
    for (int64_t i = 0; i < 4; ++i) inputs.at(kQ, 0, token, 0, i) *= 5e3F;
  }
  Trial run(inputs, GetParam());
  const Reference reference(run.in);
  // Of a logit of 2e4, float32 keeps 3 digits behind the point.
  expect_close(run.run(), reference.out, reference.magnitude, run.kernel.bf16 ? 0.02 : 0.01);
}

TEST_P(Attention, MakesOneQueryNanWhereItIsNan) {
  AttentionInputs inputs({1, 40, 600, 2, 8});
  inputs.at(kQ, 0, 33, 1, 3) = std::numeric_limits<float>::quiet_NaN();
  Trial run(inputs, GetParam());
  expect_reference(run);
  EXPECT_TRUE(std::isnan(run.out()[33 * 16 + 8]));
  EXPECT_FALSE(std::isnan(run.out()[33 * 16 + 7]));
}

TEST_P(Attention, KeepsNanOfAnyPayload) {
  for (const uint32_t bits : {0x7f810001U, 0xffff7fffU, 0x7fc1ffffU}) {
    AttentionInputs inputs({1, 3, 600, 1, 8});
    inputs.at(kK, 0, 5, 0, 2) = std::bit_cast<float>(bits);
    Trial run(inputs, {GetParam().isa, GetParam().operands, GetParam().bf16});
    for (const float value : run.run()) ASSERT_TRUE(std::isnan(value)) << bits;
  }
}

/// The logits of one query, of 1 a key's first element: in the first block of two, or the second.
class AttentionOfInfinity : public Attention {
 protected:
  void expect_with(const std::vector<int64_t>& keys, float value) {
    AttentionInputs inputs({1, 3, 600, 1, 8});
    for (int64_t query = 0; query < 3; ++query) inputs.at(kQ, 0, query, 0, 0) = 1.0F;
    for (const auto key : keys) inputs.at(kK, 0, key, 0, 0) = value;
    Trial run(inputs, GetParam());
    expect_reference(run);
  }
  static std::vector<int64_t> range(int64_t begin, int64_t end) {
    std::vector<int64_t> keys;
    for (; begin < end; ++begin) keys.push_back(begin);
    return keys;
  }
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
};

TEST_P(AttentionOfInfinity, GivesNoWeightToKeysOfMinusInfinity) {
  expect_with({0, 7, 599}, -kInfinity);
  expect_with(range(0, 450), -kInfinity);
  expect_with(range(100, 600), -kInfinity);
}
TEST_P(AttentionOfInfinity, IsNanWhereAllAreMinusInfinity) {
  expect_with(range(0, 600), -kInfinity);
}
TEST_P(AttentionOfInfinity, IsNanWhereOneIsInfinity) {
  expect_with({3}, kInfinity);
  expect_with({599}, kInfinity);
}

TEST_P(Attention, MultipliesGivenProbabilitiesWithValues) {
  for (const AttentionShape& shape :
       {AttentionShape{2, 37, 77, 2, 40}, {1, 5, 601, 1, 7}, {1, 3, 1, 1, 1}}) {
    Trial run(AttentionInputs(shape), GetParam());
    const Reference reference(run.in);
    const Values given(reference.probabilities.begin(), reference.probabilities.end());
    run.call.given = given.data();
    run.call.q = {};
    expect_close(run.run(), reference.out, reference.magnitude, run.error());
  }
}

/// Probabilities [rows][heads][queries][keys] of chosen rows and heads.
class WatchedAttention : public Attention {
 protected:
  explicit WatchedAttention(const AttentionShape& shape = {3, 75, 600, 3, 8}, bool causal = false) {
    AttentionInputs inputs(shape);
    inputs.causal = causal;
    run_ = std::make_unique<Trial>(inputs, GetParam());
    plain_ = run_->run();
    reference_ = std::make_unique<Reference>(run_->in);
    run_->call.watch.rows = {2, 0};
    run_->call.watch.heads = {1, 2};
  }
  AttentionShape shape() const { return run_->in.shape; }
  double expected(int64_t row, int64_t head, int64_t query, int64_t key) const {
    const auto s = shape();
    return reference_->probabilities[static_cast<std::size_t>(
        ((run_->call.watch.rows[static_cast<std::size_t>(row)] * s.heads +
          run_->call.watch.heads[static_cast<std::size_t>(head)]) *
             s.queries +
         query) *
            s.keys +
        key)];
  }
  void expect_probabilities(const Values& found) const {
    std::size_t i = 0;
    for (int64_t row = 0; row < 2; ++row) {
      for (int64_t head = 0; head < 2; ++head) {
        for (int64_t query = 0; query < shape().queries; ++query) {
          for (int64_t key = 0; key < shape().keys; ++key, ++i) {
            const double p = expected(row, head, query, key);
            ASSERT_NEAR(found[i], p, 1e-5 * p) << row << ' ' << head << ' ' << query << ' ' << key;
          }
        }
      }
    }
  }
  Values room(int64_t count) const { return Values(static_cast<std::size_t>(count), -1.0F); }

  std::unique_ptr<Trial> run_;
  std::unique_ptr<Reference> reference_;
  Values plain_;
};

TEST_P(WatchedAttention, ShowsProbabilitiesOfChosenRowsAndHeads) {
  auto found = room(4 * shape().queries * shape().keys);
  run_->call.watch.probabilities = found.data();
  expect_same_bits(run_->run(), plain_);
  expect_probabilities(found);
}

TEST_P(WatchedAttention, ShowsProbabilitiesAlone) {
  auto found = room(4 * shape().queries * shape().keys);
  run_->call.watch.probabilities = found.data();
  run_->call.out = nullptr;
  run_->run();
  expect_probabilities(found);
}

TEST_P(WatchedAttention, ShowsTheMeanOverHeads) {
  auto found = room(2 * shape().queries * shape().keys);
  run_->call.watch.head_mean = found.data();
  expect_same_bits(run_->run(), plain_);
  std::size_t i = 0;
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t query = 0; query < shape().queries; ++query) {
      for (int64_t key = 0; key < shape().keys; ++key, ++i) {
        const double mean = (expected(row, 0, query, key) + expected(row, 1, query, key)) / 2;
        ASSERT_NEAR(found[i], mean, 1e-5 * mean);
      }
    }
  }
}

TEST_P(WatchedAttention, ShowsSumsOverQueries) {
  auto found = room(4 * shape().keys);
  run_->call.watch.column_sums = found.data();
  expect_same_bits(run_->run(), plain_);
  std::size_t i = 0;
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t head = 0; head < 2; ++head) {
      for (int64_t key = 0; key < shape().keys; ++key, ++i) {
        double sum = 0.0;
        for (int64_t query = 0; query < shape().queries; ++query) {
          sum += expected(row, head, query, key);
        }
        ASSERT_NEAR(found[i], sum, 1e-5 * sum);
      }
    }
  }
}

TEST_P(WatchedAttention, ShowsAllAtOnce) {
  auto probabilities = room(4 * shape().queries * shape().keys);
  auto mean = room(2 * shape().queries * shape().keys), mean_alone = mean;
  auto sums = room(4 * shape().keys), sums_alone = sums;
  run_->call.watch.head_mean = mean_alone.data();
  run_->run();
  run_->call.watch.head_mean = nullptr;
  run_->call.watch.column_sums = sums_alone.data();
  run_->run();
  run_->call.watch.probabilities = probabilities.data();
  run_->call.watch.head_mean = mean.data();
  run_->call.watch.column_sums = sums.data();
  expect_same_bits(run_->run(), plain_);
  expect_probabilities(probabilities);
  expect_same_bits(mean, mean_alone);
  expect_same_bits(sums, sums_alone);
}

class WatchedCausalAttention : public WatchedAttention {
 protected:
  WatchedCausalAttention() : WatchedAttention({3, 75, 300, 3, 512}, true) {}
};

TEST_P(WatchedCausalAttention, ShowsNothingOfHiddenKeys) {
  auto found = room(4 * shape().queries * shape().keys);
  run_->call.watch.probabilities = found.data();
  expect_same_bits(run_->run(), plain_);
  expect_probabilities(found);
}

const auto kKernels = testing::ValuesIn(kernels_here());
INSTANTIATE_TEST_SUITE_P(Kernels, Attention, kKernels, kernel_name);
INSTANTIATE_TEST_SUITE_P(Kernels, AttentionOfInfinity, kKernels, kernel_name);
INSTANTIATE_TEST_SUITE_P(Kernels, WatchedAttention, kKernels, kernel_name);
INSTANTIATE_TEST_SUITE_P(Kernels, WatchedCausalAttention, kKernels, kernel_name);

}  // namespace
}  // namespace sd::kernels
