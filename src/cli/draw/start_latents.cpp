#include "cli/draw/start_latents.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <utility>

#include "sd/core/error.h"
#include "sd/core/npy.h"
#include "sd/weights/tensor_source.h"

namespace sd::cli {
namespace {

torch::Tensor read_latents(const std::filesystem::path& path, std::array<int64_t, 3> shape) {
  auto file = read_npy(path);
  const std::vector<int64_t> expected(shape.begin(), shape.end());
  const bool fits = file.shape.size() == 4 && file.shape[0] > 0 &&
                    std::vector<int64_t>(file.shape.begin() + 1, file.shape.end()) == expected;
  if (!fits) {
    throw UsageError(fmt::format(
        "--init-latents: {} has shape {}, expected [N, {}, {}, {}] for a picture of {}x{}",
        path.string(), shape_text(file.shape), shape[0], shape[1], shape[2], shape[2] * 8,
        shape[1] * 8));
  }
  return at::from_blob(file.values.data(), file.shape, torch::kFloat).clone();
}

}  // namespace

SeedRule seed_rule_of(const DrawOptions& options) {
  return {options.seed.value(), options.seed_mode, options.variation, options.rng};
}

StartLatents start_latents_of(const DrawOptions& options, std::array<int64_t, 3> shape) {
  StartRule rule;
  rule.fixed = options.fixed_code;
  rule.samples = options.n_samples;
  rule.shared = options.task == DrawTask::kSwap;
  if (options.init_latents) rule.given = read_latents(*options.init_latents, shape);
  return {std::move(rule), shape};
}

}  // namespace sd::cli
