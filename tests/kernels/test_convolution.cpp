#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/convolution.h"
#include "kernels/gemm.h"
#include "kernels/kernel_test.h"

namespace sd::kernels {
namespace {

/// What a picture holds, in float32 or bf16.
class Values {
 public:
  Values(std::vector<float> values, bool bf16) : floats_(std::move(values)), bf16_(bf16) {
    for (auto& x : floats_) {
      if (!bf16) break;
      halves_.push_back(std::isnan(x) ? uint16_t{0x7fc0} : to_bf16(x));
      x = from_bf16(halves_.back());
    }
  }
  void* data() {
    return bf16_ ? static_cast<void*>(halves_.data()) : static_cast<void*>(floats_.data());
  }
  /// As floats, after a kernel has written.
  std::vector<float> read() const {
    if (!bf16_) return floats_;
    std::vector<float> all;
    for (const auto bits : halves_) all.push_back(from_bf16(bits));
    return all;
  }

 private:
  std::vector<float> floats_;
  std::vector<uint16_t> halves_;
  bool bf16_;
};

/// Whole 2^-23rds from -1 to 1.
std::vector<float> values_below_one(int64_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> all(static_cast<std::size_t>(count));
  for (auto& x : all) x = std::ldexp(static_cast<float>(engine() >> 8U), -23) - 1.0F;
  return all;
}

struct Shape {
  int64_t images, height, width, inputs, outputs;
  int64_t kernel = 3, stride = 1, pad_before = 1, pad_after = 1;
  bool upsampled = false, normed = false, silu = false, bias = false, residual = false;
};

/// A layer with everything that its shape names.
struct Layer {
  Layer(const Shape& s, bool is_bf16)
      : shape(s),
        bf16(is_bf16),
        weights(values_below_one(s.outputs * s.inputs * s.kernel * s.kernel, 1)),
        input(values_below_one(s.images * s.height * s.width * s.inputs, 2), is_bf16),
        scale(values_below_one(s.images * s.inputs, 3)),
        shift(values_below_one(s.images * s.inputs, 4)),
        bias(values_below_one(s.images * s.outputs, 5)),
        residual({}, is_bf16) {
    // Whole 128ths below 1, the largest among them: every storage holds them exactly.
    const int64_t each = s.inputs * s.kernel * s.kernel;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      weights[i] = std::nearbyint(weights[i] * 127.0F) / 128.0F;
      if (static_cast<int64_t>(i) % each == 0) weights[i] = 127.0F / 128.0F;
    }
    const auto seen = [&](int64_t size) { return s.upsampled ? 2 * size : size; };
    const auto out = [&](int64_t size) {
      return (seen(size) + s.pad_before + s.pad_after - s.kernel) / s.stride + 1;
    };
    height = out(s.height);
    width = out(s.width);
    residual = Values(values_below_one(s.images * height * width * s.outputs, 6), is_bf16);
  }

  PackedWeights pack(Isa isa, Operands operands) const {
    const WeightView view{weights.data(), false, shape.outputs, shape.inputs,
                          shape.kernel * shape.kernel};
    PackedWeights packed(view, isa, operands);
    for (int64_t panel = 0; panel < packed.panels(); ++panel) packed.fill(view, panel);
    return packed;
  }

  ConvCall call(const PackedWeights& packed) {
    ConvCall c;
    c.weights = &packed;
    c.kernel = shape.kernel;
    c.stride = shape.stride;
    c.pad_before = shape.pad_before;
    c.pad_after = shape.pad_after;
    c.input = input.data();
    c.images = shape.images;
    c.height = shape.height;
    c.width = shape.width;
    c.bf16 = bf16;
    c.upsampled = shape.upsampled;
    if (shape.normed) c.scale = scale.data();
    if (shape.normed) c.shift = shift.data();
    c.silu = shape.silu;
    if (shape.bias) {
      packed_biases.clear();
      for (int64_t image = 0; image < shape.images; ++image) {
        const auto one = packed_bias(packed, bias.data() + image * shape.outputs);
        packed_biases.insert(packed_biases.end(), one.begin(), one.end());
        c.bias_stride = static_cast<int64_t>(one.size());
      }
      c.bias = packed_biases.data();
    }
    if (shape.residual) c.residual = residual.data();
    return c;
  }

  Shape shape;
  bool bf16;
  int64_t height = 0, width = 0;
  std::vector<float> weights;
  Values input;
  std::vector<float> scale, shift, bias, packed_biases;
  Values residual;
};

/// Outputs in float64, and for each the sum of the magnitudes of what was added.
struct Reference {
  std::vector<double> values, magnitudes;
};

double input_value(const Layer& layer, const std::vector<float>& input, int64_t image, int64_t y,
                   int64_t x, int64_t channel) {
  const auto& s = layer.shape;
  const int64_t factor = s.upsampled ? 2 : 1;
  if (y < 0 || x < 0 || y >= s.height * factor || x >= s.width * factor) return 0.0;
  double v = input[static_cast<std::size_t>(
      ((image * s.height + y / factor) * s.width + x / factor) * s.inputs + channel)];
  const auto at = static_cast<std::size_t>(image * s.inputs + channel);
  if (s.normed) v = v * layer.scale[at] + layer.shift[at];
  return s.silu ? v / (1.0 + std::exp(-v)) : v;
}

Reference reference(const Layer& layer) {
  const auto& s = layer.shape;
  const auto input = layer.input.read(), residual = layer.residual.read();
  Reference all;
  for (int64_t at = 0; at < s.images * layer.height * layer.width * s.outputs; ++at) {
    const int64_t column = at % s.outputs, x = at / s.outputs % layer.width;
    const int64_t y = at / s.outputs / layer.width % layer.height;
    const int64_t image = at / s.outputs / layer.width / layer.height;
    double value = 0.0, magnitude = 0.0;
    const auto add = [&](double v) {
      value += v;
      magnitude += std::fabs(v);
    };
    for (int64_t tap = 0; tap < s.kernel * s.kernel; ++tap) {
      const int64_t from_y = y * s.stride - s.pad_before + tap / s.kernel;
      const int64_t from_x = x * s.stride - s.pad_before + tap % s.kernel;
      for (int64_t c = 0; c < s.inputs; ++c) {
        add(input_value(layer, input, image, from_y, from_x, c) *
            layer.weights[static_cast<std::size_t>((column * s.inputs + c) * s.kernel * s.kernel +
                                                   tap)]);
      }
    }
    if (s.bias) add(layer.bias[static_cast<std::size_t>(image * s.outputs + column)]);
    if (s.residual) add(residual[static_cast<std::size_t>(at)]);
    all.values.push_back(value);
    all.magnitudes.push_back(magnitude);
  }
  return all;
}

/// Runs all tasks, the last one first; what no task wrote stays a large number.
std::vector<float> convolved(Layer& layer, ConvCall call, ConvAlgorithm algorithm) {
  const auto count =
      static_cast<std::size_t>(call.images * layer.height * layer.width * layer.shape.outputs);
  Values output(std::vector<float>(count, 1e30F), layer.bf16);
  call.output = output.data();
  const ConvPlan plan(call, algorithm);
  EXPECT_EQ(plan.output_height(), layer.height);
  EXPECT_EQ(plan.output_width(), layer.width);
  for (int64_t task = plan.tasks() - 1; task >= 0; --task) plan.run(task);
  return output.read();
}

/// Calls `check(layer, packed weights, algorithm)` for all that this CPU can run.
template <typename Check>
void for_all_kernels(const Shape& shape, const Check& check) {
  for (const bool bf16 : {false, true}) {
    Layer layer(shape, bf16);
    for (const auto isa : isas_here()) {
      for (const auto operands : {Operands::kFloats, Operands::kBf16Weights, Operands::kInt8Weights,
                                  Operands::kBf16Pairs, Operands::kInt8Pairs}) {
        const auto packed = layer.pack(isa, operands);
        for (const auto algorithm : {ConvAlgorithm::kDirect, ConvAlgorithm::kWinograd4}) {
          if (!conv_can(layer.call(packed), algorithm)) continue;
          SCOPED_TRACE(std::string(name_of(isa)) + (bf16 ? ", bf16" : ", float32"));
          SCOPED_TRACE(testing::Message() << "operands " << static_cast<int>(operands)
                                          << ", algorithm " << static_cast<int>(algorithm));
          check(layer, packed, algorithm);
        }
      }
    }
  }
}

/// How far an output may be off: float32 sums in either order; for Winograd, whose sums of a tile
/// go through one another, relative to the largest of the picture and ten times as much. Rounding
/// of what is read (to bf16, behind a prologue) and of what is written comes on top.
void expect_near(const Layer& layer, const PackedWeights& packed, ConvAlgorithm algorithm,
                 const Reference& wanted, const std::vector<float>& found) {
  const double steps = static_cast<double>(layer.shape.inputs + 16);
  double largest = 0.0;
  for (const auto m : wanted.magnitudes) largest = std::max(largest, m);
  const bool rounds_input = algorithm == ConvAlgorithm::kDirect && takes_pairs(packed.operands()) &&
                            (!layer.bf16 || layer.shape.normed || layer.shape.silu);
  ASSERT_EQ(found.size(), wanted.values.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double sums = algorithm == ConvAlgorithm::kDirect ? wanted.magnitudes[i] : 10.0 * largest;
    const double bound = sums * 0x1p-24 * (std::sqrt(steps) + 8.0) +
                         (rounds_input ? 0x1p-8 * wanted.magnitudes[i] : 0.0) +
                         (layer.bf16 ? 0x1p-8 * std::fabs(wanted.values[i]) : 0.0) + 1e-12;
    ASSERT_NEAR(found[i], wanted.values[i], bound) << "at " << i;
  }
}

void expect_right(const Shape& shape) {
  std::array<Reference, 2> wanted;
  for_all_kernels(shape, [&](Layer& layer, const PackedWeights& packed, ConvAlgorithm algorithm) {
    auto& reference_of_type = wanted[layer.bf16 ? 1 : 0];
    if (reference_of_type.values.empty()) reference_of_type = reference(layer);
    auto call = layer.call(packed);
    call.threads = 3;
    expect_near(layer, packed, algorithm, reference_of_type, convolved(layer, call, algorithm));
  });
}

TEST(Convolution, AgreesWithFloat64OnOddShapes) {
  expect_right({1, 1, 1, 1, 1});
  expect_right({2, 1, 5, 3, 33});
  expect_right({3, 7, 2, 9, 5});
  expect_right({1, 9, 13, 17, 47});
  expect_right({2, 6, 67, 4, 3});
  expect_right({1, 37, 41, 5, 6});  // several blocks of rows
}

TEST(Convolution, AgreesWithFloat64OverSeveralChunksOfChannels) {
  expect_right({1, 5, 6, 293, 7});
  expect_right({1, 4, 4, 256, 40});
}

TEST(Convolution, ReadsPaddingAndStridesOfEveryLayer) {
  expect_right({2, 8, 6, 5, 9, 3, 2, 1, 1});   // the UNet's way down
  expect_right({1, 8, 10, 6, 4, 3, 2, 0, 1});  // the autoencoder's
  expect_right({1, 5, 7, 4, 6, 3, 1, 0, 0});
  expect_right({1, 6, 9, 3, 5, 5, 3, 2, 2});
  expect_right({2, 3, 17, 10, 11, 1, 1, 0, 0});
}

TEST(Convolution, NormsAndActivatesWhatItReadsButNotThePadding) {
  Shape shape{2, 5, 6, 19, 8};
  shape.normed = true;
  expect_right(shape);
  shape.silu = true;
  expect_right(shape);
  shape.normed = false;
  expect_right(shape);
}

TEST(Convolution, ReadsEachPixelTwiceBehindAnUpsampling) {
  Shape shape{2, 3, 5, 6, 10};
  shape.upsampled = true;
  expect_right(shape);
  shape.stride = 2;
  expect_right(shape);
}

TEST(Convolution, AddsBiasOfEachImageAndResidual) {
  Shape shape{3, 5, 5, 4, 35};
  shape.bias = true;
  expect_right(shape);
  shape.residual = true;
  shape.normed = shape.silu = shape.upsampled = true;
  expect_right(shape);
}

TEST(Convolution, AddsToTheResidualInPlace) {
  Shape shape{1, 6, 6, 4, 20};
  shape.residual = true;
  for_all_kernels(shape, [](Layer& layer, const PackedWeights& packed, ConvAlgorithm algorithm) {
    auto call = layer.call(packed);
    const auto apart = convolved(layer, call, algorithm);
    Values both = layer.residual;
    call.residual = call.output = both.data();
    const ConvPlan plan(call, algorithm);
    for (int64_t task = 0; task < plan.tasks(); ++task) plan.run(task);
    EXPECT_EQ(both.read(), apart);
  });
}

TEST(Convolution, GivesAnImageTheSameBitsInAnyBatchAndForAnyNumberOfThreads) {
  Shape shape{3, 9, 18, 131, 40};
  shape.normed = shape.silu = shape.bias = shape.residual = true;
  for_all_kernels(shape, [](Layer& layer, const PackedWeights& packed, ConvAlgorithm algorithm) {
    const auto call = layer.call(packed);
    const auto all = convolved(layer, call, algorithm);
    auto cut = call;
    cut.threads = 16;
    EXPECT_EQ(convolved(layer, cut, algorithm), all);
    const auto& s = layer.shape;
    const int64_t in = s.height * s.width * s.inputs;
    const int64_t out = layer.height * layer.width * s.outputs, bytes = layer.bf16 ? 2 : 4;
    auto alone = call;
    alone.images = 1;
    alone.input = static_cast<const char*>(call.input) + 2 * in * bytes;
    alone.residual = static_cast<const char*>(call.residual) + 2 * out * bytes;
    alone.scale += 2 * s.inputs;
    alone.shift += 2 * s.inputs;
    alone.bias += 2 * call.bias_stride;
    EXPECT_EQ(convolved(layer, alone, algorithm),
              std::vector<float>(all.begin() + 2 * out, all.end()));
  });
}

TEST(Convolution, ShowsNanAndInfinityWhereverTheyReach) {
  const Shape shape{1, 13, 14, 6, 5};
  for_all_kernels(shape, [](Layer& layer, const PackedWeights& packed, ConvAlgorithm algorithm) {
    const auto& s = layer.shape;
    constexpr int64_t kY = 6, kX = 9;
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto values = layer.input.read();
      values[static_cast<std::size_t>((kY * s.width + kX) * s.inputs + 3)] = bad;
      Values input(values, layer.bf16);
      auto call = layer.call(packed);
      call.input = input.data();
      const auto found = convolved(layer, call, algorithm);
      for (std::size_t i = 0; i < found.size(); ++i) {
        const auto pixel = static_cast<int64_t>(i) / s.outputs;
        const int64_t dy = std::abs(pixel / s.width - kY), dx = std::abs(pixel % s.width - kX);
        const auto weight = [&] {
          const int64_t tap = (kY - pixel / s.width + 1) * 3 + kX - pixel % s.width + 1;
          const auto column = static_cast<int64_t>(i) % s.outputs;
          return layer.weights[static_cast<std::size_t>((column * s.inputs + 3) * 9 + tap)];
        };
        if (dy <= 1 && dx <= 1 && weight() != 0.0F) {
          EXPECT_FALSE(std::isfinite(found[i])) << i;
        } else if (dy > 5 || dx > 5) {
          EXPECT_TRUE(std::isfinite(found[i])) << i;
        }
      }
    }
  });
}

double relative_error(const Reference& wanted, const std::vector<float>& found) {
  double error = 0.0, size = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(found[i] - wanted.values[i], 2);
    size += std::pow(wanted.values[i], 2);
  }
  return std::sqrt(error / size);
}

TEST(Convolution, WinogradIsOffByLessThanThreeMillionthsAndThreeTimesTheDirectWay) {
  Shape shape{1, 12, 12, 320, 12};
  shape.normed = shape.silu = true;
  Layer layer(shape, false);
  const auto wanted = reference(layer);
  for (const auto isa : isas_here()) {
    SCOPED_TRACE(name_of(isa));
    const auto packed = layer.pack(isa, Operands::kFloats);
    const auto call = layer.call(packed);
    const double direct = relative_error(wanted, convolved(layer, call, ConvAlgorithm::kDirect));
    const double tiles = relative_error(wanted, convolved(layer, call, ConvAlgorithm::kWinograd4));
    EXPECT_LT(direct, 1.5e-6);
    EXPECT_LT(tiles, 3e-6);
    EXPECT_LT(tiles, 3.0 * direct);
  }
}

TEST(Convolution, TakesTheDirectWayWhereItIsAskedToBeExact) {
  Layer layer({1, 32, 32, 64, 64}, false);
  const auto packed = layer.pack(best_isa(), Operands::kFloats);
  auto call = layer.call(packed);
  EXPECT_EQ(conv_algorithm(call), ConvAlgorithm::kWinograd4);
  call.exact = true;
  EXPECT_EQ(conv_algorithm(call), ConvAlgorithm::kDirect);
  call.exact = false;
  call.stride = 2;
  EXPECT_EQ(conv_algorithm(call), ConvAlgorithm::kDirect);
}

}  // namespace
}  // namespace sd::kernels
