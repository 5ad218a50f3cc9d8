#include <limits>

#include "kernels/gemm.h"
#include "kernels/kernel_test.h"

namespace sd::kernels {
namespace {

using Values = std::vector<float>;

struct Layer {
  int64_t rows, depth, columns;
};

// Odd sizes, one of everything, several chunks of depth, several blocks of rows and columns.
const std::vector<Layer> kLayers = {{1, 1, 1},     {2, 7, 5},    {15, 33, 31},   {30, 64, 65},
                                    {131, 48, 96}, {3, 2600, 9}, {29, 1281, 70}, {14, 320, 40}};

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kGelu:
      return gelu(x);
    case Activation::kQuickGelu:
      return x * sigmoid(1.702 * x);
    default:
      return x;
  }
}

/// x Wᵀ + bias [rows, columns] in float64.
std::vector<double> product(const Layer& layer, const Values& x, const Values& weights,
                            const Values& bias) {
  std::vector<double> y;
  for (int64_t row = 0; row < layer.rows; ++row) {
    for (int64_t column = 0; column < layer.columns; ++column) {
      double sum = bias.empty() ? 0.0 : static_cast<double>(bias[column]);
      for (int64_t i = 0; i < layer.depth; ++i) {
        sum += static_cast<double>(x[row * layer.depth + i]) *
               static_cast<double>(weights[column * layer.depth + i]);
      }
      y.push_back(sum);
    }
  }
  return y;
}

struct Inputs {
  Values x, weights, bias;
  explicit Inputs(const Layer& layer, unsigned seed = 1)
      : x(random_values(layer.rows * layer.depth, seed)),
        weights(random_values(layer.columns * layer.depth, seed + 1,
                              1.0F / std::sqrt(static_cast<float>(layer.depth)))),
        bias(random_values(layer.columns, seed + 2)) {}
};

WeightView view_of(const Layer& layer, const void* weights, bool bf16, bool gated = false) {
  return {weights, bf16, layer.columns, layer.depth, 1, gated};
}

PackedWeights packed(const WeightView& view, Isa isa, Operands operands) {
  PackedWeights weights(view, isa, operands);
  for (int64_t panel = 0; panel < weights.panels(); ++panel) weights.fill(view, panel);
  return weights;
}

void run_backwards(const GemmCall& call) {
  const GemmPlan plan(call);
  for (int64_t task = plan.tasks(); task-- > 0;) plan.run(task);
}

GemmCall call_of(const Layer& layer, const void* x, const PackedWeights& weights, void* out) {
  const int64_t outputs = weights.gated() ? layer.columns / 2 : layer.columns;
  return {x,
          layer.depth,
          layer.rows,
          &weights,
          nullptr,
          nullptr,
          outputs,
          out,
          outputs,
          takes_pairs(weights.operands()),
          Activation::kNone};
}

void expect_near(const std::vector<double>& expected, const Values& found, double bound,
                 const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], bound * std::max(1.0, std::fabs(expected[i])))
        << what << " at " << i;
  }
}

std::string text_of(const Layer& layer) {
  return std::to_string(layer.rows) + "x" + std::to_string(layer.depth) + "x" +
         std::to_string(layer.columns);
}

using Gemm = EachIsa;

TEST_P(Gemm, MultipliesFloatsAsFloat64Does) {
  for (const auto& layer : kLayers) {
    const Inputs in(layer);
    const auto weights =
        packed(view_of(layer, in.weights.data(), false), GetParam(), Operands::kFloats);
    const auto bias = packed_bias(weights, in.bias.data());
    Values out(layer.rows * layer.columns, std::numeric_limits<float>::quiet_NaN());
    auto call = call_of(layer, in.x.data(), weights, out.data());
    call.bias = bias.data();
    run_backwards(call);
    expect_near(product(layer, in.x, in.weights, in.bias), out, 6e-6, text_of(layer));
  }
}

TEST_P(Gemm, WidensBf16WeightsExactly) {
  for (const auto& layer : kLayers) {
    const Inputs in(layer);
    const auto bits = to_bf16(in.weights);
    const auto weights =
        packed(view_of(layer, bits.data(), true), GetParam(), Operands::kBf16Weights);
    Values out(layer.rows * layer.columns);
    run_backwards(call_of(layer, in.x.data(), weights, out.data()));
    expect_near(product(layer, in.x, through_bf16(in.weights), {}), out, 6e-6, text_of(layer));
  }
}

TEST_P(Gemm, MultipliesPairsOfBf16WithFloat32Sums) {
  for (const auto& layer : kLayers) {
    const Inputs in(layer);
    const auto x = to_bf16(in.x), bits = to_bf16(in.weights);
    const auto weights =
        packed(view_of(layer, bits.data(), true), GetParam(), Operands::kBf16Pairs);
    std::vector<uint16_t> out(layer.rows * layer.columns);
    run_backwards(call_of(layer, x.data(), weights, out.data()));
    Values found;
    for (const auto each : out) found.push_back(from_bf16(each));
    // One rounding to 8 bits at the end.
    expect_near(product(layer, through_bf16(in.x), through_bf16(in.weights), {}), found, 0.0041,
                text_of(layer));
  }
}

TEST_P(Gemm, KeepsInt8WeightsWithinHalfAStepOfTheirScale) {
  for (const auto& layer : kLayers) {
    const Inputs in(layer);
    const auto weights =
        packed(view_of(layer, in.weights.data(), false), GetParam(), Operands::kInt8Weights);
    Values rounded = in.weights;
    for (int64_t column = 0; column < layer.columns; ++column) {
      float largest = 0.0F;
      for (int64_t i = 0; i < layer.depth; ++i) {
        largest = std::max(largest, std::fabs(in.weights[column * layer.depth + i]));
      }
      for (int64_t i = 0; i < layer.depth; ++i) {
        auto& value = rounded[column * layer.depth + i];
        value = std::nearbyint(value / largest * 127.0F) * (largest / 127.0F);
      }
    }
    Values out(layer.rows * layer.columns);
    run_backwards(call_of(layer, in.x.data(), weights, out.data()));
    // Values in the middle of two steps may go either way.
    expect_near(product(layer, in.x, rounded, {}), out, 0.004, text_of(layer));
  }
}

TEST_P(Gemm, WidensInt8ToPairsOfBf16Exactly) {
  for (const auto& layer : kLayers) {
    const Inputs in(layer);
    const auto view = view_of(layer, in.weights.data(), false);
    const auto weights = packed(view, GetParam(), Operands::kInt8Pairs);
    Values held(in.weights.size());
    weights.unpack(held.data());
    const auto x = to_bf16(in.x);
    std::vector<uint16_t> out(layer.rows * layer.columns);
    run_backwards(call_of(layer, x.data(), weights, out.data()));
    Values found;
    for (const auto each : out) found.push_back(from_bf16(each));
    // One rounding to 8 bits at the end.
    expect_near(product(layer, through_bf16(in.x), held, {}), found, 0.0041, text_of(layer));
  }
}

TEST_P(Gemm, AppliesEachActivationThenAddsTheResidual) {
  const Layer layer{17, 24, 37};
  const Inputs in(layer);
  const auto weights =
      packed(view_of(layer, in.weights.data(), false), GetParam(), Operands::kFloats);
  const auto bias = packed_bias(weights, in.bias.data());
  const auto residual = random_values(layer.rows * layer.columns, 9);
  for (const auto activation :
       {Activation::kNone, Activation::kSilu, Activation::kGelu, Activation::kQuickGelu}) {
    auto expected = product(layer, in.x, in.weights, in.bias);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = activated(activation, expected[i]) + static_cast<double>(residual[i]);
    }
    Values out(expected.size());
    auto call = call_of(layer, in.x.data(), weights, out.data());
    call.bias = bias.data();
    call.residual = residual.data();
    call.activation = activation;
    run_backwards(call);
    expect_near(expected, out, 6e-6, std::to_string(static_cast<int>(activation)));
  }
}

TEST_P(Gemm, GatesTheFirstHalfByTheSecond) {
  for (const Layer layer : {Layer{5, 16, 2}, Layer{16, 40, 74}, Layer{33, 32, 128}}) {
    const Inputs in(layer);
    const auto weights = packed(view_of(layer, in.weights.data(), false, /*gated=*/true),
                                GetParam(), Operands::kFloats);
    const auto bias = packed_bias(weights, in.bias.data());
    const auto both = product(layer, in.x, in.weights, in.bias);
    std::vector<double> expected;
    const int64_t half = layer.columns / 2;
    for (int64_t row = 0; row < layer.rows; ++row) {
      for (int64_t i = 0; i < half; ++i) {
        expected.push_back(both[row * layer.columns + i] *
                           gelu(both[row * layer.columns + half + i]));
      }
    }
    Values out(expected.size());
    auto call = call_of(layer, in.x.data(), weights, out.data());
    call.bias = bias.data();
    run_backwards(call);
    expect_near(expected, out, 6e-6, text_of(layer));
  }
}

TEST_P(Gemm, GivesARowTheSameBitsInAnyBatch) {
  const Layer many{150, 1300, 40}, one{1, 1300, 40};
  const Inputs in(many);
  const auto weights =
      packed(view_of(many, in.weights.data(), false), GetParam(), Operands::kFloats);
  Values all(many.rows * many.columns), single(many.columns);
  run_backwards(call_of(many, in.x.data(), weights, all.data()));
  for (const int64_t row : {0, 13, 14, 100, 149}) {
    run_backwards(call_of(one, in.x.data() + row * many.depth, weights, single.data()));
    EXPECT_TRUE(std::equal(single.begin(), single.end(), all.begin() + row * many.columns)) << row;
  }
}

TEST_P(Gemm, UnpacksToTheBitsThatWerePacked) {
  const int64_t columns = 37, depth = 141, taps = 9;
  const auto values = random_values(columns * depth * taps, 5);
  const auto bits = to_bf16(values);
  for (const bool gated : {false, true}) {
    const WeightView plain{values.data(), false, columns - gated, depth, taps, gated};
    Values back(values.size());
    packed(plain, GetParam(), Operands::kFloats).unpack(back.data());
    const auto count = static_cast<std::ptrdiff_t>((columns - gated) * depth * taps);
    EXPECT_TRUE(std::equal(values.begin(), values.begin() + count, back.begin()));
    const WeightView halves{bits.data(), true, columns - gated, depth, taps, gated};
    std::vector<uint16_t> back_bits(bits.size());
    packed(halves, GetParam(), Operands::kBf16Pairs).unpack(back_bits.data());
    EXPECT_TRUE(std::equal(bits.begin(), bits.begin() + count, back_bits.begin()));
  }
}

TEST_P(Gemm, ReadsAndWritesSlicesOfWiderRows) {
  const Layer layer{20, 16, 10};
  const Inputs in(layer);
  const auto weights =
      packed(view_of(layer, in.weights.data(), false), GetParam(), Operands::kFloats);
  Values wide(layer.rows * 40, 7.0F), out(layer.rows * 25, 5.0F);
  for (int64_t row = 0; row < layer.rows; ++row) {
    std::copy_n(in.x.data() + row * layer.depth, layer.depth, wide.data() + row * 40 + 3);
  }
  auto call = call_of(layer, wide.data() + 3, weights, out.data() + 8);
  call.x_stride = 40;
  call.out_stride = 25;
  run_backwards(call);
  const auto expected = product(layer, in.x, in.weights, {});
  for (int64_t row = 0; row < layer.rows; ++row) {
    for (int64_t i = 0; i < 25; ++i) {
      const bool inside = i >= 8 && i < 18;
      const double value = inside ? expected[row * layer.columns + i - 8] : 5.0;
      ASSERT_NEAR(out[row * 25 + i], value, 3e-5) << row << " " << i;
    }
  }
}

TEST_P(Gemm, ShowsInfinityAndNaNWhereTheyBelong) {
  const Layer layer{16, 8, 6};
  Inputs in(layer);
  in.x[3 * layer.depth] = std::numeric_limits<float>::quiet_NaN();
  in.x[9 * layer.depth + 7] = std::numeric_limits<float>::infinity();
  const auto weights =
      packed(view_of(layer, in.weights.data(), false), GetParam(), Operands::kFloats);
  for (const auto activation : {Activation::kNone, Activation::kSilu, Activation::kGelu}) {
    Values out(layer.rows * layer.columns);
    auto call = call_of(layer, in.x.data(), weights, out.data());
    call.activation = activation;
    run_backwards(call);
    for (int64_t i = 0; i < layer.rows * layer.columns; ++i) {
      const int64_t row = i / layer.columns;
      if (row == 3) {
        EXPECT_TRUE(std::isnan(out[i])) << i;
      } else if (row != 9) {
        EXPECT_TRUE(std::isfinite(out[i])) << i;
      } else if (activation == Activation::kNone) {
        EXPECT_TRUE(std::isinf(out[i])) << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Gemm, testing::ValuesIn(isas_here()), test_name);

TEST(Isa, NamesAreDistinctAndThePlainOneRunsEverywhere) {
  EXPECT_TRUE(runs_here(Isa::kPlain));
  EXPECT_EQ(name_of(Isa::kAvx512Bf16), "avx512-bf16");
  EXPECT_TRUE(runs_here(best_isa()));
}

}  // namespace
}  // namespace sd::kernels
