#include "sd/pipeline/word_swap.h"

#include <ATen/ops/stack.h>

#include <algorithm>
#include <memory>

#include "sd/control/chain.h"
#include "sd/control/map_recorder.h"
#include "sd/core/error.h"
#include "sd/pipeline/word_maps.h"
#include "sd/text/read_prompts.h"

namespace sd {
namespace {

void check(const WordSwapRequest& request) {
  if (request.targets.empty()) throw UsageError("targets: a swap needs at least one");
  if (request.samples < 1) throw UsageError("samples: at least 1 is drawn");
  if (request.controller != nullptr || request.latent_edit != nullptr) {
    throw UsageError("controller and latent_edit: a swap by words makes its own; leave them null");
  }
}

SwapRequest swap_of(const WordSwapRequest& request) {
  SwapRequest swap;
  static_cast<DrawSettings&>(swap) = request;
  const auto samples = static_cast<std::size_t>(request.samples);
  swap.source.assign(samples, request.source);
  for (const auto& target : request.targets) swap.targets.emplace_back(samples, target);
  return swap;
}

/// Maps of rows [first, first + count), [count,tokens,h,w].
torch::Tensor maps_of(const MapRecorder& recorder, int64_t first, int64_t count,
                      const torch::Tensor& latents) {
  std::vector<torch::Tensor> rows;
  for (int64_t row = first; row < first + count; ++row) {
    rows.push_back(token_maps(recorder, row, latents.size(2), latents.size(3)));
  }
  return at::stack(rows);
}

}  // namespace

WordSwapResult swap_words(const LoadedModel& model, const WordSwapRequest& request,
                          NoiseSource& noise) {
  check(request);
  const PromptSet prompts{request.targets, request.source};
  const auto reader = read_prompts(
      {prompts},
      {request.prompt_syntax, request.steps, request.negative_prompt, request.prompt_chunks},
      tokenizer_of(model, request));
  check_words(request.words, prompts, *reader);

  auto words = request.words;
  const auto pixels = [&](int64_t side) {
    return side == 0 ? model.config.default_pixels() : side;
  };
  const auto side = std::min(pixels(request.width), pixels(request.height));
  words.blend_res =
      words.blend_res.value_or(default_blend_res(model.config, side / model.config.vae.factor()));
  auto controls = make_word_controls(
      words, std::vector<PromptSet>(static_cast<std::size_t>(request.samples), prompts), *reader);

  MapRecorderOptions of_source;
  of_source.branch = RowGroup::Branch::kSource;
  const auto sources = std::make_shared<MapRecorder>(of_source);
  const auto targets = std::make_shared<MapRecorder>();
  if (request.maps) controls.links.insert(controls.links.end(), {sources, targets});
  Chain chain(controls.links);

  auto swap = swap_of(request);
  swap.prompt_chunks = reader->chunks();
  swap.controller = &chain;
  swap.latent_edit = controls.blend.get();
  WordSwapResult result{draw_swap(model, swap, noise), {}, {}};
  if (!request.maps) return result;
  result.source_maps = maps_of(*sources, 0, request.samples, result.source.latents);
  for (std::size_t t = 0; t < request.targets.size(); ++t) {
    result.target_maps.push_back(maps_of(*targets, static_cast<int64_t>(t) * request.samples,
                                         request.samples, result.targets[t].latents));
  }
  return result;
}

WordSwapResult swap_words(const LoadedModel& model, const WordSwapRequest& request) {
  auto noise = noise_of(model, request);
  return swap_words(model, request, noise);
}

}  // namespace sd
