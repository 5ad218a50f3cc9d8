// The kinds whose ΔW depends on W: GLoRA, (IA)³, OFT, BOFT.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "networks/merge.h"
#include "networks/product.h"

namespace sd {
namespace {

using Part = NetworkPart;

bool is_matrix(const std::vector<int64_t>& shape, int64_t rows, int64_t columns) {
  const int64_t elements = elements_of(shape);
  return shape.size() >= 2 && shape[0] == rows && elements % rows == 0 &&
         elements / rows == columns;
}

/// GLoRA's matrices in one order: ΔW = up · down + (W · in) · back, whoever wrote them.
struct GloraParts {
  Part up, down, in, back;
  int64_t rank = 0;
};

/// LyCORIS: a1 [in,r], a2 [r,in], b1 [out,r], b2 [r,in]. AUTOMATIC1111 and older LyCORIS: the ones
/// for the twos.
GloraParts glora_parts(const ModuleReader& module, const WeightSize& size) {
  const auto fits = [&](const GloraParts& parts) {
    return is_matrix(module.shape(parts.in), size.in, parts.rank) &&
           is_matrix(module.shape(parts.back), parts.rank, size.in) &&
           is_matrix(module.shape(parts.up), size.out, parts.rank) &&
           is_matrix(module.shape(parts.down), parts.rank,
                     module.has(Part::kGloraCore) ? size.in : size.row());
  };
  const GloraParts lycoris = {Part::kGloraB1, Part::kGloraB2, Part::kGloraA1, Part::kGloraA2,
                              module.shape(Part::kGloraA2)[0]};
  if (fits(lycoris)) return lycoris;
  const GloraParts other = {Part::kGloraB2, Part::kGloraB1, Part::kGloraA2, Part::kGloraA1,
                            module.shape(Part::kGloraA1)[0]};
  if (fits(other)) return other;
  module.wrong_shape(Part::kGloraA1,
                     fmt::format("matrices of one rank for {} inputs by {} taps and {} outputs",
                                 size.in, size.kernel, size.out));
}

/// The weight with its taps in front of its inputs, [out][kernel][in], or back again.
std::vector<float> taps_in_front(std::span<const float> weight, const WeightSize& size, bool back) {
  const int64_t first = back ? size.kernel : size.in, second = back ? size.in : size.kernel;
  std::vector<float> other(weight.size());
  for (int64_t row = 0; row < size.out; ++row) {
    const auto from = weight.subspan(static_cast<std::size_t>(row * size.row()),
                                     static_cast<std::size_t>(size.row()));
    const auto turned = transposed(from, first, second);
    std::copy(turned.begin(), turned.end(), other.begin() + row * size.row());
  }
  return other;
}

void merge_glora(const MergeModule& module, const WeightSize& size, std::span<float> weight,
                 double factor) {
  const auto& reader = module.reader;
  const auto parts = glora_parts(reader, size);
  const auto in = reader.values(parts.in), back = reader.values(parts.back);
  const ProductSize narrow = {size.out * size.kernel, size.in, parts.rank};
  const auto inner = product(taps_in_front(weight, size, false), in.values, narrow);
  const auto change = product(inner, back.values, {size.out * size.kernel, parts.rank, size.in});
  const auto up = reader.values(parts.up), down = reader.values(parts.down);
  if (reader.has(Part::kGloraCore)) {
    const auto core = reader.values(Part::kGloraCore);
    add_tucker({up.values, core.values, down.values, parts.rank, parts.rank}, size, weight, factor);
  } else {
    add_product(weight, up.values, down.values, {size.out, parts.rank, size.row()}, factor);
  }
  const auto turned = taps_in_front(change, size, true);
  const auto scale = static_cast<float>(factor);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] += scale * turned[i];
}

bool on_input(const ModuleReader& module) {
  return module.number(Part::kIa3OnInput).value_or(0.0) != 0.0;
}

void merge_ia3(const ModuleReader& module, const WeightSize& size, std::span<float> weight,
               double factor) {
  const auto values = module.values(Part::kIa3).values;
  const bool inputs = on_input(module);
  std::size_t at = 0;
  for (int64_t row = 0; row < size.out; ++row) {
    for (int64_t in = 0; in < size.in; ++in) {
      const float each = values[static_cast<std::size_t>(inputs ? in : row)];
      const auto grown = static_cast<float>(1.0 + factor * static_cast<double>(each));
      for (int64_t k = 0; k < size.kernel; ++k) weight[at++] *= grown;
    }
  }
}

/// Solves x · (I − q) = I + q for one block; Gauss's elimination with pivots, in double. (I − q) is
/// never singular: q is skew.
std::vector<float> cayley(std::span<const double> q, int64_t n) {
  const auto width = static_cast<std::size_t>(n);
  // Transposed: (I − q)ᵀ xᵀ = (I + q)ᵀ.
  std::vector<double> left(width * width), right(width * width);
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      const double one = i == j ? 1.0 : 0.0;
      left[j * width + i] = one - q[i * width + j];
      right[j * width + i] = one + q[i * width + j];
    }
  }
  for (std::size_t column = 0; column < width; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < width; ++row) {
      if (std::fabs(left[row * width + column]) > std::fabs(left[pivot * width + column]))
        pivot = row;
    }
    if (pivot != column) {
      std::swap_ranges(&left[pivot * width], &left[pivot * width] + width, &left[column * width]);
      std::swap_ranges(&right[pivot * width], &right[pivot * width] + width,
                       &right[column * width]);
    }
    const double inverse = 1.0 / left[column * width + column];
    for (std::size_t j = 0; j < width; ++j) {
      left[column * width + j] *= inverse;
      right[column * width + j] *= inverse;
    }
    for (std::size_t row = 0; row < width; ++row) {
      const double factor = left[row * width + column];
      if (row == column || factor == 0.0) continue;
      for (std::size_t j = column; j < width; ++j)
        left[row * width + j] -= factor * left[column * width + j];
      for (std::size_t j = 0; j < width; ++j)
        right[row * width + j] -= factor * right[column * width + j];
    }
  }
  std::vector<float> rotation(width * width);
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t j = 0; j < width; ++j)
      rotation[i * width + j] = static_cast<float>(right[j * width + i]);
  }
  return rotation;
}

/// Rotations [blocks][b][b], one behind the other.
struct Rotations {
  int64_t width = 0;
  std::vector<std::vector<float>> blocks;
};

Rotations rotations_of(const ModuleReader& module, const WeightSize& size) {
  const bool given = module.has(Part::kDiagonal);
  const auto stored = module.values(given ? Part::kDiagonal : Part::kBlocks);
  const int64_t n = stored.shape.back();
  const auto area = static_cast<std::size_t>(n * n);
  Rotations rotations{n, {}};
  rotations.blocks.resize(stored.values.size() / area);
  std::vector<double> skew(given ? 0 : stored.values.size());
  double squares = 0;
  for (std::size_t block = 0; !given && block < rotations.blocks.size(); ++block) {
    const float* from = stored.values.data() + block * area;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const double value = static_cast<double>(from[i * n + j]) - from[j * n + i];
        skew[block * area + static_cast<std::size_t>(i * n + j)] = value;
        squares += value * value;
      }
    }
  }
  // Constrained OFT: all of it lies within a ball.
  const double radius = module.number(Part::kAlpha).value_or(0.0) * static_cast<double>(size.out);
  const double length = std::sqrt(squares) + 1e-8;
  if (!given && radius > 0 && length > radius) {
    for (double& value : skew) value *= radius / length;
  }
  share_tasks(static_cast<int64_t>(rotations.blocks.size()), [&](int64_t i) {
    const auto block = static_cast<std::size_t>(i);
    if (given) {
      const auto from = std::span(stored.values).subspan(block * area, area);
      rotations.blocks[block].assign(from.begin(), from.end());
    } else {
      rotations.blocks[block] = cayley(std::span(skew).subspan(block * area, area), n);
    }
  });
  return rotations;
}

/// Rᵀ · W, block by block.
std::vector<float> rotated(const ModuleReader& module, const WeightSize& size,
                           std::span<const float> weight) {
  const auto rotations = rotations_of(module, size);
  std::vector<float> turned(weight.size(), 0.0F);
  const auto piece = static_cast<std::size_t>(rotations.width * size.row());
  for (std::size_t block = 0; block < rotations.blocks.size(); ++block) {
    const auto matrix = transposed(rotations.blocks[block], rotations.width, rotations.width);
    add_product(std::span(turned).subspan(block * piece, piece), matrix,
                weight.subspan(block * piece, piece),
                {rotations.width, rotations.width, size.row()}, 1.0);
  }
  return turned;
}

/// The rows (c g k) as (c k g), where g is 2, or back again.
std::vector<float> interleaved(std::span<const float> rows, int64_t count, int64_t k, int64_t width,
                               bool back) {
  std::vector<float> other(rows.size());
  for (int64_t row = 0; row < count; ++row) {
    const int64_t c = row / (2 * k), g = row / k % 2, place = row % k;
    const int64_t to = (c * k + place) * 2 + g;
    std::copy_n(rows.data() + (back ? to : row) * width, width,
                other.data() + (back ? row : to) * width);
  }
  return other;
}

/// BOFT (arXiv:2311.06243): stages of rotations over pairs of halves that lie ever further apart.
std::vector<float> butterflied(const ModuleReader& module, const WeightSize& size,
                               std::span<const float> weight) {
  const auto rotations = rotations_of(module, size);
  const auto stages = module.shape(Part::kBlocks)[0];
  const auto each = static_cast<int64_t>(rotations.blocks.size()) / stages;
  std::vector<float> rows(weight.begin(), weight.end());
  const auto piece = static_cast<std::size_t>(rotations.width * size.row());
  for (int64_t stage = 0; stage < stages; ++stage) {
    const int64_t k = (int64_t{1} << stage) * (rotations.width / 2);
    const auto apart = interleaved(rows, size.out, k, size.row(), false);
    std::vector<float> turned(rows.size(), 0.0F);
    for (int64_t block = 0; block < each; ++block) {
      const auto begin = static_cast<std::size_t>(block) * piece;
      add_product(std::span(turned).subspan(begin, piece),
                  rotations.blocks[static_cast<std::size_t>(stage * each + block)],
                  std::span(apart).subspan(begin, piece),
                  {rotations.width, rotations.width, size.row()}, 1.0);
    }
    rows = interleaved(turned, size.out, k, size.row(), true);
  }
  return rows;
}

void check_orthogonal(const ModuleReader& module, const WeightSize& size, bool butterfly) {
  const auto part = module.has(Part::kDiagonal) ? Part::kDiagonal : Part::kBlocks;
  const auto shape = module.shape(part);
  const std::size_t first = butterfly ? 1 : 0;
  const bool blocks = shape.size() == first + 3 && shape[first + 1] == shape[first + 2] &&
                      size.out % shape[first + 1] == 0 &&
                      size.out / shape[first + 1] == shape[first];
  if (!blocks) {
    module.wrong_shape(part, fmt::format("{}[n, b, b] where n times b is {}, the outputs of the "
                                         "model's layer",
                                         butterfly ? "[m] times " : "", size.out));
  }
  if (butterfly) {
    const int64_t stages = shape[0], width = shape[2];
    constexpr int64_t kMostStages = 40;
    const bool divides =
        width % 2 == 0 && stages <= kMostStages && size.out % (width << (stages - 1)) == 0;
    if (!divides) module.wrong_shape(part, fmt::format("stages that divide {} rows", size.out));
  }
  if (module.has(Part::kRescale) && elements_of(module.shape(Part::kRescale)) != size.out)
    module.wrong_shape(Part::kRescale, fmt::format("[{}], the outputs of the layer", size.out));
  module.number(Part::kAlpha);
}

void merge_orthogonal(const ModuleReader& module, const WeightSize& size, std::span<float> weight,
                      double multiplier, bool butterfly) {
  auto turned = butterfly ? butterflied(module, size, weight) : rotated(module, size, weight);
  if (module.has(Part::kRescale)) {
    const auto factors = module.values(Part::kRescale).values;
    for (int64_t row = 0; row < size.out; ++row) {
      for (int64_t i = 0; i < size.row(); ++i)
        turned[static_cast<std::size_t>(row * size.row() + i)] *=
            factors[static_cast<std::size_t>(row)];
    }
  }
  const auto strength = static_cast<float>(multiplier);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] += strength * (turned[i] - weight[i]);
}

}  // namespace

void check_by_weight(const MergeModule& module, const WeightSize& size) {
  const auto& reader = module.reader;
  switch (module.kind) {
    case NetworkKind::kGlora: {
      const auto parts = glora_parts(reader, size);
      if (!reader.has(Part::kGloraCore)) return;
      const auto core = reader.shape(Part::kGloraCore);
      if (core.size() < 2 || core[0] != parts.rank || core[1] != parts.rank ||
          elements_of(core) / parts.rank / parts.rank != size.kernel)
        reader.wrong_shape(Part::kGloraCore,
                           fmt::format("[{0}, {0}, …] with {1} taps", parts.rank, size.kernel));
      return;
    }
    case NetworkKind::kIa3: {
      const int64_t expected = on_input(reader) ? size.in : size.out;
      if (elements_of(reader.shape(Part::kIa3)) != expected)
        reader.wrong_shape(Part::kIa3, fmt::format("[{}], one for each {}", expected,
                                                   on_input(reader) ? "input" : "output"));
      return;
    }
    case NetworkKind::kOft:
    case NetworkKind::kBoft:
      return check_orthogonal(reader, size, module.kind == NetworkKind::kBoft);
    default:
      return;
  }
}

void merge_by_weight(const MergeModule& module, const WeightSize& size, std::span<float> weight,
                     double multiplier) {
  switch (module.kind) {
    case NetworkKind::kGlora:
      return merge_glora(module, size, weight, multiplier * scale_of(module));
    case NetworkKind::kIa3:
      return merge_ia3(module.reader, size, weight, multiplier * scale_of(module));
    case NetworkKind::kOft:
    case NetworkKind::kBoft:
      return merge_orthogonal(module.reader, size, weight, multiplier,
                              module.kind == NetworkKind::kBoft);
    default:
      return;
  }
}

}  // namespace sd
