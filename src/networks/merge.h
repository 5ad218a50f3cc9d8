#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "networks/module_reader.h"
#include "sd/networks/apply.h"

namespace sd {

/// A weight as the formulas see it: [out][in][kernel], where a linear layer and a norm have kernels
/// of 1.
struct WeightSize {
  int64_t out = 0, in = 1, kernel = 1;

  explicit WeightSize(std::span<const int64_t> shape);
  WeightSize(int64_t out_rows, int64_t in_channels, int64_t taps)
      : out(out_rows), in(in_channels), kernel(taps) {}
  int64_t row() const { return in * kernel; }
  int64_t elements() const { return out * row(); }
};

/// The alphas that metadata give to modules without one, and how ranks count.
struct DefaultAlpha {
  std::optional<double> alpha;
  bool root_of_rank = false;  // rank-stabilised: alpha / √r
};

/// One module as it is merged.
struct MergeModule {
  ModuleReader reader;
  NetworkKind kind = NetworkKind::kNone;
  DefaultAlpha alpha;
};

/// What stands for a rank in the module's scale; 0 for kinds without one.
int64_t rank_of(const ModuleReader& module, NetworkKind kind);
/// alpha / r, or what the file says instead.
double scale_of(const MergeModule& module);

/// Which formula a module asks for. Throws CheckpointError where its keys are of several, or halves
/// are missing.
NetworkKind kind_of(const ModuleReader& module);

/// Throws CheckpointError where the module's shapes are not those of a weight of this size.
void check_shapes(const MergeModule& module, const WeightSize& size);
/// How many inputs a linear layer has that the module is made for; nothing where its shapes do not
/// say.
std::optional<int64_t> inputs_of(const MergeModule& module);

/// W ← W + multiplier · (W' − W); shapes were checked.
void merge_weight(const MergeModule& module, const WeightSize& size, std::span<float> weight,
                  double multiplier);
/// The same of a bias.
void merge_bias(const MergeModule& module, std::span<float> bias, double multiplier);
void check_bias(const MergeModule& module, int64_t size);
bool changes_bias(const ModuleReader& module);

// One file each.

/// ΔW · factor added to `out`, for the kinds whose ΔW does not depend on W.
void add_difference(const MergeModule& module, const WeightSize& size, std::span<float> out,
                    double factor);
void check_difference(const MergeModule& module, const WeightSize& size);
/// For those that do: GLoRA, (IA)³, OFT, BOFT.
void merge_by_weight(const MergeModule& module, const WeightSize& size, std::span<float> weight,
                     double multiplier);
void check_by_weight(const MergeModule& module, const WeightSize& size);

/// DoRA's W' of V = W + sΔW: each row or column of the length that the file says.
void decompose(const MergeModule& module, const WeightSize& size, std::span<float> direction);
void check_decomposition(const MergeModule& module, const WeightSize& size);
bool is_decomposed(const ModuleReader& module);

/// out += factor · Σ up[o,p] · core[p,q,k] · down[q,i]; `up` is [out][p].
struct TuckerFactors {
  std::span<const float> up, core, down;
  int64_t outer = 0, inner = 0;  // p, q
};
void add_tucker(const TuckerFactors& factors, const WeightSize& size, std::span<float> out,
                double factor);

}  // namespace sd
