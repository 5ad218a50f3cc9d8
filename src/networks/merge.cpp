#include "networks/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "networks/product.h"
#include "sd/core/error.h"

namespace sd {
namespace {

using Part = NetworkPart;
constexpr int64_t kMergeGrain = 1 << 16;

bool has_any(const ModuleReader& module, std::initializer_list<Part> parts) {
  for (const auto part : parts) {
    if (module.has(part)) return true;
  }
  return false;
}

/// Both of a pair, or an error for the one that stands alone.
void require_pair(const ModuleReader& module, Part a, std::string_view a_name, Part b,
                  std::string_view b_name) {
  if (module.has(a)) module.require(b, b_name, a);
  if (module.has(b)) module.require(a, a_name, b);
}

void require_kronecker(const ModuleReader& module) {
  require_pair(module, Part::kKronecker1A, "lokr_w1_a", Part::kKronecker1B, "lokr_w1_b");
  require_pair(module, Part::kKronecker2A, "lokr_w2_a", Part::kKronecker2B, "lokr_w2_b");
  const auto first = module.has(Part::kKronecker1) ? Part::kKronecker1 : Part::kKronecker1A;
  const auto second = module.has(Part::kKronecker2) ? Part::kKronecker2 : Part::kKronecker2A;
  if (!module.has(first)) module.require(first, "lokr_w1", second);
  if (!module.has(second)) module.require(second, "lokr_w2", first);
}

}  // namespace

WeightSize::WeightSize(std::span<const int64_t> shape) {
  out = shape.empty() ? 1 : shape[0];
  if (shape.size() > 1) in = shape[1];
  for (std::size_t i = 2; i < shape.size(); ++i) kernel *= shape[i];
}

NetworkKind kind_of(const ModuleReader& module) {
  std::vector<std::pair<NetworkKind, Part>> found;
  const auto look = [&](NetworkKind kind, std::initializer_list<Part> parts) {
    for (const auto part : parts) {
      if (module.has(part)) return void(found.emplace_back(kind, part));
    }
  };
  look(NetworkKind::kLora, {Part::kDown, Part::kUp, Part::kMid});
  look(NetworkKind::kLoha, {Part::kHadamard1A, Part::kHadamard1B, Part::kHadamard2A,
                            Part::kHadamard2B, Part::kHadamardCore1, Part::kHadamardCore2});
  look(NetworkKind::kLokr,
       {Part::kKronecker1, Part::kKronecker1A, Part::kKronecker1B, Part::kKronecker2,
        Part::kKronecker2A, Part::kKronecker2B, Part::kKroneckerCore2});
  look(NetworkKind::kGlora,
       {Part::kGloraA1, Part::kGloraA2, Part::kGloraB1, Part::kGloraB2, Part::kGloraCore});
  look(NetworkKind::kIa3, {Part::kIa3, Part::kIa3OnInput});
  look(NetworkKind::kFull, {Part::kDiff});
  look(NetworkKind::kNorm, {Part::kNorm});
  look(NetworkKind::kOft, {Part::kDiagonal, Part::kBlocks});
  if (found.empty()) return NetworkKind::kNone;
  if (found.size() > 1) {
    module.fail(found[0].second,
                fmt::format("is a {}'s and '{}' a {}'s: one module has both, expected one of them",
                            name_of(found[0].first), module.module().key(found[1].second),
                            name_of(found[1].first)));
  }
  const auto [kind, any] = found.front();
  switch (kind) {
    case NetworkKind::kLora:
      module.require(Part::kDown, "lora_down.weight", any);
      module.require(Part::kUp, "lora_up.weight", any);
      break;
    case NetworkKind::kLoha:
      for (const auto& [part, name] :
           {std::pair{Part::kHadamard1A, "hada_w1_a"}, std::pair{Part::kHadamard1B, "hada_w1_b"},
            std::pair{Part::kHadamard2A, "hada_w2_a"}, std::pair{Part::kHadamard2B, "hada_w2_b"}})
        module.require(part, name, any);
      require_pair(module, Part::kHadamardCore1, "hada_t1", Part::kHadamardCore2, "hada_t2");
      break;
    case NetworkKind::kLokr:
      require_kronecker(module);
      break;
    case NetworkKind::kGlora:
      for (const auto& [part, name] :
           {std::pair{Part::kGloraA1, "a1.weight"}, std::pair{Part::kGloraA2, "a2.weight"},
            std::pair{Part::kGloraB1, "b1.weight"}, std::pair{Part::kGloraB2, "b2.weight"}})
        module.require(part, name, any);
      break;
    case NetworkKind::kIa3:
      module.require(Part::kIa3, "weight", any);
      module.require(Part::kIa3OnInput, "on_input", any);
      break;
    case NetworkKind::kOft:
      if (module.has(Part::kBlocks) && module.shape(Part::kBlocks).size() == 4)
        return NetworkKind::kBoft;
      break;
    default:
      break;
  }
  return kind;
}

bool changes_bias(const ModuleReader& module) {
  return has_any(module, {Part::kDiffBias, Part::kNormBias, Part::kUpBias});
}

bool is_decomposed(const ModuleReader& module) {
  return has_any(module, {Part::kMagnitude, Part::kPeftMagnitude});
}

int64_t rank_of(const ModuleReader& module, NetworkKind kind) {
  switch (kind) {
    case NetworkKind::kLora:
      return module.shape(Part::kDown).front();
    case NetworkKind::kLoha:
      return module.shape(Part::kHadamard1B).front();
    case NetworkKind::kLokr:
      // A scale counts where a factor has a rank; whole ones come with any alpha.
      if (module.has(Part::kKronecker2B)) return module.shape(Part::kKronecker2B).front();
      return module.has(Part::kKronecker1B) ? module.shape(Part::kKronecker1B).front() : 0;
    case NetworkKind::kGlora: {
      const auto a1 = module.shape(Part::kGloraA1), a2 = module.shape(Part::kGloraA2);
      return a1.empty() || a2.empty() ? 0 : std::min(a1.front(), a2.front());
    }
    default:
      return 0;
  }
}

std::optional<int64_t> inputs_of(const MergeModule& module) {
  const auto& reader = module.reader;
  const auto columns = [&](Part part) {
    const auto shape = reader.shape(part);
    return elements_of(shape) / shape.front();
  };
  switch (module.kind) {
    case NetworkKind::kLora:
      return columns(Part::kDown);
    case NetworkKind::kLoha:
      return columns(Part::kHadamard1B);
    case NetworkKind::kLokr: {
      const auto first = reader.has(Part::kKronecker1) ? Part::kKronecker1 : Part::kKronecker1B;
      const auto second = reader.has(Part::kKronecker2) ? Part::kKronecker2 : Part::kKronecker2B;
      int64_t inputs = 0;
      if (__builtin_mul_overflow(columns(first), columns(second), &inputs)) return std::nullopt;
      return inputs;
    }
    case NetworkKind::kFull:
      return columns(Part::kDiff);
    default:
      return std::nullopt;
  }
}

double scale_of(const MergeModule& module) {
  if (const auto scale = module.reader.number(Part::kScale)) return *scale;
  const int64_t rank = rank_of(module.reader, module.kind);
  if (rank == 0) return 1.0;
  if (const auto alpha = module.reader.number(Part::kAlpha))
    return *alpha / static_cast<double>(rank);
  if (!module.alpha.alpha) return 1.0;
  const auto counted = static_cast<double>(rank);
  return *module.alpha.alpha / (module.alpha.root_of_rank ? std::sqrt(counted) : counted);
}

void check_shapes(const MergeModule& module, const WeightSize& size) {
  switch (module.kind) {
    case NetworkKind::kNone:
      break;
    case NetworkKind::kGlora:
    case NetworkKind::kIa3:
    case NetworkKind::kOft:
    case NetworkKind::kBoft:
      check_by_weight(module, size);
      break;
    default:
      check_difference(module, size);
  }
  if (is_decomposed(module.reader)) check_decomposition(module, size);
  scale_of(module);  // an alpha that is no number
}

void merge_weight(const MergeModule& module, const WeightSize& size, std::span<float> weight,
                  double multiplier) {
  switch (module.kind) {
    case NetworkKind::kNone:
      return;
    case NetworkKind::kGlora:
    case NetworkKind::kIa3:
    case NetworkKind::kOft:
    case NetworkKind::kBoft:
      return merge_by_weight(module, size, weight, multiplier);
    default:
      break;
  }
  const double scale = scale_of(module);
  if (!is_decomposed(module.reader))
    return add_difference(module, size, weight, multiplier * scale);
  std::vector<float> direction(weight.begin(), weight.end());
  add_difference(module, size, direction, scale);
  decompose(module, size, direction);
  const auto strength = static_cast<float>(multiplier);
  share_range(static_cast<int64_t>(weight.size()), kMergeGrain, [&](int64_t first, int64_t end) {
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(end); ++i)
      weight[i] += strength * (direction[i] - weight[i]);
  });
}

void check_bias(const MergeModule& module, int64_t size) {
  for (const auto part : {Part::kDiffBias, Part::kNormBias, Part::kUpBias}) {
    if (!module.reader.has(part)) continue;
    const auto shape = module.reader.shape(part);
    if (elements_of(shape) != size)
      module.reader.wrong_shape(part, fmt::format("[{}], as the model's bias", size));
  }
}

void merge_bias(const MergeModule& module, std::span<float> bias, double multiplier) {
  for (const auto part : {Part::kDiffBias, Part::kNormBias, Part::kUpBias}) {
    if (!module.reader.has(part)) continue;
    const double factor = part == Part::kUpBias
                              ? multiplier * scale_of(module)
                              : multiplier * module.reader.number(Part::kScale).value_or(1.0);
    const auto values = module.reader.values(part).values;
    for (std::size_t i = 0; i < bias.size(); ++i)
      bias[i] = static_cast<float>(bias[i] + factor * static_cast<double>(values[i]));
  }
}

}  // namespace sd
