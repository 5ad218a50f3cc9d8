#include "sd/pipeline/swap.h"

#include <iterator>

namespace sd {

SwapResult draw_swap(const LoadedModel& model, const SwapRequest& request, NoiseSource& noise) {
  DrawRequest batch(request);
  batch.targets = request.targets;
  batch.source = request.source;
  batch.init_image = request.init_image;
  batch.strength = request.init_image ? request.strength : 1.0;
  batch.mask = request.mask;
  batch.pixel_mask = request.pixel_mask;
  auto drawn = draw(model, batch, noise);

  SwapResult result;
  result.timing = drawn.timing;
  const auto samples = static_cast<int64_t>(request.targets.front().size());
  const auto branch = [&](int64_t index) {
    BranchResult rows{drawn.latents.narrow(0, index * samples, samples), {}};
    if (!drawn.pictures.empty()) {
      const auto first = drawn.pictures.begin() + index * samples;
      std::move(first, first + samples, std::back_inserter(rows.pictures));
    }
    return rows;
  };
  const auto targets = static_cast<int64_t>(request.targets.size());
  for (int64_t target = 0; target < targets; ++target) result.targets.push_back(branch(target));
  if (!request.source.empty()) result.source = branch(targets);
  return result;
}

}  // namespace sd
