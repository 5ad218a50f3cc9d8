// DoRA (arXiv:2402.09353): a weight's rows or columns have lengths of their own.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "networks/merge.h"
#include "networks/product.h"

namespace sd {
namespace {

using Part = NetworkPart;
constexpr int64_t kRowGrain = 16;

struct Magnitude {
  Part part;
  bool of_outputs;  // one for each output; else one for each input
};

Magnitude magnitude_of(const ModuleReader& module) {
  if (module.has(Part::kPeftMagnitude)) return {Part::kPeftMagnitude, true};
  const auto shape = module.shape(Part::kMagnitude);
  // [out, 1, …] or [out]; [1, in, …] is the other axis, however many of either there are.
  return {Part::kMagnitude, shape.size() < 2 || shape[0] != 1 || shape[1] == 1};
}

}  // namespace

void check_decomposition(const MergeModule& module, const WeightSize& size) {
  const auto [part, of_outputs] = magnitude_of(module.reader);
  const int64_t expected = of_outputs ? size.out : size.in;
  if (elements_of(module.reader.shape(part)) != expected) {
    module.reader.wrong_shape(part, fmt::format("{} numbers, one for each {} of the model's layer",
                                                expected, of_outputs ? "output" : "input"));
  }
}

// The norm is that of V, as the paper, LyCORIS and PEFT have it.
void decompose(const MergeModule& module, const WeightSize& size, std::span<float> direction) {
  const auto [part, of_outputs] = magnitude_of(module.reader);
  const auto lengths = module.reader.values(part).values;
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  const auto factor = [&](int64_t i, double squares) {
    return static_cast<float>(lengths[static_cast<std::size_t>(i)] /
                              (std::sqrt(squares) + kEpsilon));
  };
  if (of_outputs) {
    share_range(size.out, kRowGrain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row) {
        float* values = direction.data() + row * size.row();
        double squares = 0;
        for (int64_t i = 0; i < size.row(); ++i)
          squares += static_cast<double>(values[i]) * values[i];
        const float each = factor(row, squares);
        for (int64_t i = 0; i < size.row(); ++i) values[i] *= each;
      }
    });
    return;
  }
  share_range(size.in, kRowGrain, [&](int64_t first, int64_t end) {
    for (int64_t in = first; in < end; ++in) {
      double squares = 0;
      const auto for_each = [&](const auto& act) {
        for (int64_t row = 0; row < size.out; ++row) {
          float* values = direction.data() + row * size.row() + in * size.kernel;
          for (int64_t k = 0; k < size.kernel; ++k) act(values[k]);
        }
      };
      for_each([&](float& value) { squares += static_cast<double>(value) * value; });
      const float each = factor(in, squares);
      for_each([&](float& value) { value *= each; });
    }
  });
}

}  // namespace sd
