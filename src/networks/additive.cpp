// The kinds whose ΔW does not depend on W: LoRA, LoHa, LoKr, full differences, norms.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "networks/merge.h"
#include "networks/product.h"

namespace sd {
namespace {

using Part = NetworkPart;
constexpr int64_t kAddGrain = 1 << 16;
constexpr int64_t kTuckerRows = 64;  // of the core that are multiplied out at a time

/// Refuses a part that is not [rows][elements / rows] with so many elements.
void require_matrix(const ModuleReader& module, Part part, int64_t rows, int64_t columns,
                    std::string_view why) {
  const auto shape = module.shape(part);
  // By quotients, since products of what a file says may overflow.
  const int64_t elements = elements_of(shape);
  const bool fits =
      shape.size() >= 2 && shape[0] == rows && elements % rows == 0 && elements / rows == columns;
  if (!fits) module.wrong_shape(part, fmt::format("[{}, {}], {}", rows, columns, why));
}

/// A core [p, q, …] with as many taps as the weight has.
std::pair<int64_t, int64_t> core_ranks(const ModuleReader& module, Part part, int64_t kernel) {
  const auto shape = module.shape(part);
  const bool fits = shape.size() > 2 && elements_of(shape) / shape[0] / shape[1] == kernel;
  if (!fits) module.wrong_shape(part, fmt::format("[r, r, …] with {} taps of the layer", kernel));
  return {shape[0], shape[1]};
}

std::string of_layer(const WeightSize& size, bool with_kernel) {
  return fmt::format("as the model's layer has {} inputs{} and {} outputs", size.in,
                     with_kernel && size.kernel > 1 ? fmt::format(" by {} taps", size.kernel) : "",
                     size.out);
}

void check_lora(const ModuleReader& module, const WeightSize& size) {
  const auto down = module.shape(Part::kDown);
  const int64_t rank = down[0];
  if (!module.has(Part::kMid)) {
    require_matrix(module, Part::kDown, rank, size.row(), of_layer(size, true));
    return require_matrix(
        module, Part::kUp, size.out, rank,
        fmt::format("the rank being {} by '{}'", rank, module.module().key(Part::kDown)));
  }
  const auto [outer, inner] = core_ranks(module, Part::kMid, size.kernel);
  require_matrix(module, Part::kDown, inner, size.in, of_layer(size, false));
  require_matrix(module, Part::kUp, size.out, outer, of_layer(size, false));
}

void check_loha(const ModuleReader& module, const WeightSize& size) {
  const auto half = [&](Part a, Part b, Part core) {
    if (!module.has(core)) {
      const int64_t rank = module.shape(b)[0];
      require_matrix(module, b, rank, size.row(), of_layer(size, true));
      return require_matrix(module, a, size.out, rank, of_layer(size, true));
    }
    const auto [outer, inner] = core_ranks(module, core, size.kernel);
    require_matrix(module, a, outer, size.out, of_layer(size, false));
    require_matrix(module, b, inner, size.in, of_layer(size, false));
  };
  half(Part::kHadamard1A, Part::kHadamard1B, Part::kHadamardCore1);
  half(Part::kHadamard2A, Part::kHadamard2B, Part::kHadamardCore2);
}

/// The sizes of a Kronecker product's factors: [a][b] and [c][d · kernel].
struct KroneckerSizes {
  int64_t a = 0, b = 0, c = 0, d = 0;
};

/// The columns of a part that has `rows` rows.
int64_t columns_of(const ModuleReader& module, Part part) {
  const auto shape = module.shape(part);
  if (shape.size() < 2) module.wrong_shape(part, "a matrix");
  return elements_of(shape) / shape[0];
}

KroneckerSizes kronecker_sizes(const ModuleReader& module, const WeightSize& size) {
  KroneckerSizes sizes;
  if (module.has(Part::kKronecker1)) {
    sizes.a = module.shape(Part::kKronecker1)[0];
    sizes.b = columns_of(module, Part::kKronecker1);
  } else {
    sizes.a = module.shape(Part::kKronecker1A)[0];
    sizes.b = columns_of(module, Part::kKronecker1B);
    require_matrix(module, Part::kKronecker1B, columns_of(module, Part::kKronecker1A), sizes.b,
                   "as 'lokr_w1_a' has columns");
  }
  Part second = Part::kKronecker2;
  int64_t columns = 0;
  if (module.has(Part::kKronecker2)) {
    sizes.c = module.shape(Part::kKronecker2)[0];
    columns = columns_of(module, Part::kKronecker2);
  } else if (module.has(Part::kKroneckerCore2)) {
    second = Part::kKronecker2B;
    const auto [outer, inner] = core_ranks(module, Part::kKroneckerCore2, size.kernel);
    sizes.c = columns_of(module, Part::kKronecker2A);
    columns = columns_of(module, Part::kKronecker2B);
    require_matrix(module, Part::kKronecker2A, outer, sizes.c, "as 'lokr_t2' has rows");
    require_matrix(module, Part::kKronecker2B, inner, columns, "as 'lokr_t2' has columns");
    columns *= size.kernel;
  } else {
    second = Part::kKronecker2B;
    sizes.c = module.shape(Part::kKronecker2A)[0];
    columns = columns_of(module, Part::kKronecker2B);
    require_matrix(module, Part::kKronecker2B, columns_of(module, Part::kKronecker2A), columns,
                   "as 'lokr_w2_a' has columns");
  }
  // Compared by quotients, since products of what a file says may overflow.
  const bool fits = size.out % sizes.a == 0 && size.out / sizes.a == sizes.c &&
                    size.in % sizes.b == 0 && columns % size.kernel == 0 &&
                    size.in / sizes.b == columns / size.kernel;
  if (!fits) {
    module.fail(second, fmt::format("makes a Kronecker product of {} x {} by {} x {}, expected {} "
                                    "outputs by {} inputs in all",
                                    sizes.a, sizes.b, sizes.c, columns, size.out, size.row()));
  }
  sizes.d = columns / size.kernel;
  return sizes;
}

/// One factor of a Hadamard product, [out][in · kernel].
std::vector<float> hadamard_half(const ModuleReader& module, const WeightSize& size, Part a, Part b,
                                 Part core) {
  const auto first = module.values(a), second = module.values(b);
  if (!module.has(core)) {
    return product(first.values, second.values, {size.out, second.shape[0], size.row()});
  }
  const auto middle = module.values(core);
  std::vector<float> half(static_cast<std::size_t>(size.elements()), 0.0F);
  const auto up = transposed(first.values, first.shape[0], size.out);
  add_tucker({up, middle.values, second.values, middle.shape[0], middle.shape[1]}, size, half, 1.0);
  return half;
}

void add_loha(const ModuleReader& module, const WeightSize& size, std::span<float> out,
              double factor) {
  const auto first =
      hadamard_half(module, size, Part::kHadamard1A, Part::kHadamard1B, Part::kHadamardCore1);
  const auto second =
      hadamard_half(module, size, Part::kHadamard2A, Part::kHadamard2B, Part::kHadamardCore2);
  const auto scale = static_cast<float>(factor);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += scale * (first[i] * second[i]);
}

/// The second factor of a Kronecker product, [c][d · kernel].
std::vector<float> second_kronecker(const ModuleReader& module, const KroneckerSizes& sizes,
                                    int64_t kernel) {
  if (module.has(Part::kKronecker2)) return module.values(Part::kKronecker2).values;
  const auto a = module.values(Part::kKronecker2A), b = module.values(Part::kKronecker2B);
  if (!module.has(Part::kKroneckerCore2))
    return product(a.values, b.values, {sizes.c, b.shape[0], sizes.d * kernel});
  const auto core = module.values(Part::kKroneckerCore2);
  const WeightSize size(sizes.c, sizes.d, kernel);
  std::vector<float> second(static_cast<std::size_t>(size.elements()), 0.0F);
  const auto up = transposed(a.values, a.shape[0], sizes.c);
  add_tucker({up, core.values, b.values, core.shape[0], core.shape[1]}, size, second, 1.0);
  return second;
}

void add_lokr(const ModuleReader& module, const WeightSize& size, std::span<float> out,
              double factor) {
  const auto sizes = kronecker_sizes(module, size);
  std::vector<float> first;
  if (module.has(Part::kKronecker1)) {
    first = module.values(Part::kKronecker1).values;
  } else {
    const auto a = module.values(Part::kKronecker1A), b = module.values(Part::kKronecker1B);
    first = product(a.values, b.values, {sizes.a, b.shape[0], sizes.b});
  }
  const auto second = second_kronecker(module, sizes, size.kernel);
  const auto scale = static_cast<float>(factor);
  const auto piece = static_cast<std::size_t>(sizes.d * size.kernel);
  for (int64_t row = 0; row < size.out; ++row) {
    const float* from = second.data() + static_cast<std::size_t>(row % sizes.c) * piece;
    for (int64_t b = 0; b < sizes.b; ++b) {
      const float each = scale * first[static_cast<std::size_t>(row / sizes.c * sizes.b + b)];
      float* to = out.data() + row * size.row() + b * sizes.d * size.kernel;
      for (std::size_t i = 0; i < piece; ++i) to[i] += each * from[i];
    }
  }
}

void add_values(std::span<const float> values, std::span<float> out, double factor) {
  const auto scale = static_cast<float>(factor);
  share_range(static_cast<int64_t>(out.size()), kAddGrain, [&](int64_t first, int64_t end) {
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(end); ++i)
      out[i] += scale * values[i];
  });
}

void check_whole(const ModuleReader& module, Part part, const WeightSize& size) {
  const auto shape = module.shape(part);
  if (elements_of(shape) != size.elements() || shape[0] != size.out)
    module.wrong_shape(part, fmt::format("{} elements, {}", size.elements(), of_layer(size, true)));
}

}  // namespace

void add_tucker(const TuckerFactors& factors, const WeightSize& size, std::span<float> out,
                double factor) {
  const auto [p, q] = std::pair(factors.outer, factors.inner);
  for (int64_t begin = 0; begin < p; begin += kTuckerRows) {
    const int64_t rows = std::min(kTuckerRows, p - begin);
    std::vector<float> up(static_cast<std::size_t>(size.out * rows));
    for (int64_t o = 0; o < size.out; ++o) {
      std::copy_n(factors.up.data() + o * p + begin, rows, up.data() + o * rows);
    }
    std::vector<float> inner(static_cast<std::size_t>(rows * size.row()), 0.0F);
    std::vector<float> tap(static_cast<std::size_t>(size.in));
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t k = 0; k < size.kernel; ++k) {
        std::fill(tap.begin(), tap.end(), 0.0F);
        for (int64_t j = 0; j < q; ++j) {
          const float value =
              factors.core[static_cast<std::size_t>(((begin + row) * q + j) * size.kernel + k)];
          const float* down = factors.down.data() + j * size.in;
          for (std::size_t i = 0; i < tap.size(); ++i) tap[i] += value * down[i];
        }
        for (int64_t i = 0; i < size.in; ++i)
          inner[static_cast<std::size_t>(row * size.row() + i * size.kernel + k)] =
              tap[static_cast<std::size_t>(i)];
      }
    }
    add_product(out, up, inner, {size.out, rows, size.row()}, factor);
  }
}

void check_difference(const MergeModule& module, const WeightSize& size) {
  const auto& reader = module.reader;
  switch (module.kind) {
    case NetworkKind::kLora:
      return check_lora(reader, size);
    case NetworkKind::kLoha:
      return check_loha(reader, size);
    case NetworkKind::kLokr:
      return void(kronecker_sizes(reader, size));
    case NetworkKind::kFull:
      return check_whole(reader, Part::kDiff, size);
    case NetworkKind::kNorm:
      return check_whole(reader, Part::kNorm, size);
    default:
      return;
  }
}

void add_difference(const MergeModule& module, const WeightSize& size, std::span<float> out,
                    double factor) {
  const auto& reader = module.reader;
  switch (module.kind) {
    case NetworkKind::kLora: {
      const auto down = reader.values(Part::kDown), up = reader.values(Part::kUp);
      if (!reader.has(Part::kMid)) {
        return add_product(out, up.values, down.values, {size.out, down.shape[0], size.row()},
                           factor);
      }
      const auto core = reader.values(Part::kMid);
      return add_tucker({up.values, core.values, down.values, core.shape[0], core.shape[1]}, size,
                        out, factor);
    }
    case NetworkKind::kLoha:
      return add_loha(reader, size, out, factor);
    case NetworkKind::kLokr:
      return add_lokr(reader, size, out, factor);
    case NetworkKind::kFull:
      return add_values(reader.values(Part::kDiff).values, out, factor);
    case NetworkKind::kNorm:
      return add_values(reader.values(Part::kNorm).values, out, factor);
    default:
      return;
  }
}

}  // namespace sd
