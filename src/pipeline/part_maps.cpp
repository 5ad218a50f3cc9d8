#include "pipeline/part_maps.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "pipeline/batch_rows.h"
#include "pipeline/check.h"
#include "pipeline/prompt_contexts.h"
#include "pipeline/start.h"
#include "sd/core/error.h"

namespace sd {
namespace {

void check_map(const torch::Tensor& map, std::size_t part, const std::vector<int64_t>& shape) {
  const bool fits = map.defined() && map.dim() == 4 &&
                    (map.size(0) == 1 || map.size(0) == shape[0]) &&
                    map.sizes().slice(1) == at::IntArrayRef(shape).slice(1);
  if (!fits) {
    const auto sizes = map.defined() ? map.sizes().vec() : std::vector<int64_t>();
    throw UsageError(fmt::format("the map of part {} has shape [{}], expected [1 or {}]", part,
                                 fmt::join(sizes, ", "), fmt::join(shape, ",")));
  }
  if (map.ge(0).logical_and(map.isfinite()).all().item<bool>()) return;
  throw UsageError(
      fmt::format("the map of part {} has values that are negative or no numbers", part));
}

/// Every prompt of the targets must be put together of as many parts as there are maps.
void check_parts(const LoadedModel& model, const DrawRequest& request) {
  const auto found = request.part_maps->weights.size();
  const PromptReader reader(tokenizer_of(model, request), request.prompt_syntax, 1, 1);
  for (const auto& target : request.targets) {
    for (const auto& prompt : target) {
      const auto parts = reader.part_weights(prompt).size();
      if (parts == found && parts > 1) continue;
      throw UsageError(
          fmt::format("there are maps of {} parts, and the prompt '{}' has {}; expected "
                      "a map for each, and two parts or more",
                      found, prompt, parts));
    }
  }
}

}  // namespace

bool weighs_attention(const DrawRequest& request) {
  return request.part_maps && request.part_maps->in_attention;
}

std::vector<torch::Tensor> row_part_maps(const LoadedModel& model, const DrawRequest& request) {
  if (!request.part_maps) return {};
  check_parts(model, request);
  const auto rows = BatchRows::of(request);
  const auto [width, height] = size_of(model, request);
  const int64_t factor = model.config.vae.factor();
  const std::vector<int64_t> shape{rows.samples, 1, height / factor, width / factor};
  std::vector<torch::Tensor> maps;
  for (const auto& map : request.part_maps->weights) {
    const bool first = maps.empty();
    check_map(map, maps.size(), shape);
    const auto one = map.to(torch::Device(model.device), at::kFloat).expand(shape);
    auto all = one.repeat({rows.targets, 1, 1, 1});
    if (rows.source) all = at::cat({all, at::full(shape, first ? 1.0 : 0.0, one.options())});
    maps.push_back(all);
  }
  return maps;
}

std::map<int64_t, torch::Tensor> attention_weights(const LoadedModel& model,
                                                   const DrawRequest& request) {
  auto maps = row_part_maps(model, request);
  const auto weights = part_weights(model, request);
  for (std::size_t part = 0; part < maps.size(); ++part) {
    const auto& own = weights[part];
    if (std::ranges::any_of(own, [](double weight) { return weight < 0; })) {
      throw UsageError("regions in attention: a prompt has a negative weight");
    }
    maps[part] = maps[part] * at::tensor(own, maps[part].options()).view({-1, 1, 1, 1});
  }
  const auto all = at::stack(maps);  // [parts,B,1,h,w]
  if (!all.sum(0).gt(0).all().item<bool>()) {
    throw UsageError("regions in attention: there are pixels at which no prompt counts");
  }
  std::map<int64_t, torch::Tensor> sized;
  constexpr int64_t kCoarsest = 8;
  for (int64_t d = 1; d <= kCoarsest; d *= 2) {
    const int64_t h = (all.size(3) + d - 1) / d, w = (all.size(4) + d - 1) / d;
    const auto small = at::adaptive_avg_pool2d(all.flatten(0, 1), {h, w})
                           .view({all.size(0), all.size(1), h * w, 1});
    sized[d] = small / small.sum(0, true);
  }
  return sized;
}

}  // namespace sd
