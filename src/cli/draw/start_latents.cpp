#include "cli/draw/start_latents.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

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

StartLatents::StartLatents(const DrawOptions& options, std::array<int64_t, 3> shape)
    : shape_(shape),
      n_samples_(options.n_samples),
      fixed_code_(options.fixed_code),
      one_start_(options.fixed_code && options.task == DrawTask::kSwap) {
  if (options.init_latents) given_ = read_latents(*options.init_latents, shape);
}

std::optional<torch::Tensor> StartLatents::batch(int64_t first, int64_t count, RunNoise& noise) {
  if (given_ && one_start_) return given_->narrow(0, 0, 1).expand({count, -1, -1, -1});
  if (given_) {
    const int64_t start = fixed_code_ ? 0 : first;
    const auto rows = at::arange(start, start + count, torch::kLong).remainder(given_->size(0));
    return given_->index_select(0, rows);
  }
  if (!fixed_code_) return noise.start(first, {count, shape_[0], shape_[1], shape_[2]});
  const int64_t starts = one_start_ ? 1 : n_samples_;
  const std::vector<int64_t> shape = {starts, shape_[0], shape_[1], shape_[2]};
  if (!drawn_) drawn_ = noise.start(first, shape);
  if (!drawn_) drawn_ = noise.of_batch(first).randn(shape);
  if (one_start_) return drawn_->expand({count, -1, -1, -1});
  return drawn_->narrow(0, 0, count);
}

}  // namespace sd::cli
