#include "sd/control/map_recorder.h"

#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "control/head_mean.h"
#include "sd/core/error.h"

namespace sd {
namespace {

bool same_place(const AttentionSite& a, const AttentionSite& b) {
  return a.part == b.part && a.block == b.block && a.depth == b.depth;
}

bool same_grid(const torch::Tensor& a, const torch::Tensor& b) {
  return a.size(2) == b.size(2) && a.size(3) == b.size(3);
}

/// Where maps belong in a sum.
struct Place {
  int64_t row, rows;    // of all rows
  int64_t part, parts;  // of the prompts, whose tokens stand one behind the other
};

/// Adds maps [count,tokens,h,w] to their place in a sum.
void add_maps(MapSum& into, const torch::Tensor& maps, const Place& place) {
  const int64_t tokens = maps.size(1);
  if (!into.sum.defined()) {
    into.sum =
        at::zeros({place.rows, place.parts * tokens, maps.size(2), maps.size(3)}, maps.options());
  }
  into.sum.narrow(0, place.row, maps.size(0)).narrow(1, place.part * tokens, tokens).add_(maps);
}

/// The sum of this grid's size in a part of the timeline; a new one where there is none.
MapSum& sum_of_grid(std::vector<MapSum>& sums, const torch::Tensor& maps) {
  const auto found = std::find_if(sums.begin(), sums.end(),
                                  [&](const MapSum& s) { return same_grid(s.sum, maps); });
  if (found != sums.end()) return *found;
  return sums.emplace_back(MapSum{0, {}});
}

void append_new(std::vector<double>& timesteps, double timestep) {
  if (timesteps.empty() || timesteps.back() != timestep) timesteps.push_back(timestep);
}

/// Which of `parts` equal parts of a window a step of it lies in.
std::size_t part_of(const StepInfo& step, const StepWindow& window, int64_t parts) {
  const auto count = static_cast<double>(step.num_steps + window.extra);
  const auto first = static_cast<int64_t>(window.begin * count);
  const auto end = std::min(static_cast<int64_t>(window.end * count), step.num_steps);
  return static_cast<std::size_t>((step.step - first) * parts / (end - first));
}

}  // namespace

MapRecorder::MapRecorder(MapRecorderOptions options) : options_(std::move(options)) {
  if (options_.timeline < 0) throw UsageError("timeline: a negative number of parts");
  timeline_.resize(static_cast<std::size_t>(options_.timeline));
  part_timesteps_.resize(timeline_.size());
}

AttentionUse MapRecorder::use(const AttentionCall& call) const {
  const bool looks = call.site.kind == AttentionKind::kCross && call.step.evaluation == 0 &&
                     options_.steps.contains(call.step) && options_.sites.matches(call);
  return looks ? AttentionUse::kObserve : AttentionUse::kNone;
}

StepUse MapRecorder::step_use(const StepInfo& step, const std::vector<RowGroup>&) const {
  const bool looks = step.evaluation == 0 && options_.steps.contains(step);
  return looks ? StepUse::kOther : StepUse::kNone;
}

bool MapRecorder::observes(const RowGroup& rows, const AttentionCall&) const {
  return rows.branch == options_.branch && rows.conditional == options_.conditional &&
         rows.pictured;
}

void MapRecorder::observe(const torch::Tensor& probs, const RowGroup& rows,
                          const AttentionCall& call) {
  Place place{rows.target * rows.count, 0, rows.part, 1};
  for (const auto& group : call.rows) {
    if (!observes(group, call)) continue;
    place.rows += group.part == 0 ? group.count : 0;
    place.parts = std::max(place.parts, group.part + 1);
  }
  const auto maps = head_mean(probs, options_.sites)
                        .transpose(1, 2)
                        .unflatten(2, {call.height, call.width});  // [count,tokens,h,w]

  auto layer = std::find_if(layers_.begin(), layers_.end(), [&](const LayerMaps& known) {
    return same_place(known.site, call.site);
  });
  if (layer == layers_.end()) layer = layers_.insert(layer, {call.site, {1, {}}});
  add_maps(layer->maps, maps, place);
  append_new(timesteps_, call.step.timestep);

  if (timeline_.empty()) return;
  const auto part = part_of(call.step, options_.steps, options_.timeline);
  append_new(part_timesteps_[part], call.step.timestep);
  auto& sum = sum_of_grid(timeline_[part], maps);
  add_maps(sum, maps, place);
  sum.layers = std::count_if(layers_.begin(), layers_.end(), [&](const LayerMaps& known) {
    return same_grid(known.maps.sum, maps);
  });
}

std::vector<PartMaps> sum_by_part(const std::vector<LayerMaps>& layers) {
  std::vector<PartMaps> parts;
  for (const auto& layer : layers) {
    const auto known = std::find_if(parts.begin(), parts.end(), [&](const PartMaps& p) {
      return p.part == layer.site.part && same_grid(p.maps.sum, layer.maps.sum);
    });
    if (known == parts.end()) {
      parts.push_back({layer.site.part, {1, layer.maps.sum}});
    } else {
      known->maps.sum = known->maps.sum + layer.maps.sum;
      ++known->maps.layers;
    }
  }
  return parts;
}

torch::Tensor heat_maps(const std::vector<MapSum>& sums, int64_t height, int64_t width) {
  if (sums.empty()) throw UsageError("heat maps: no layer was recorded");
  torch::Tensor total;
  int64_t layers = 0;
  for (const auto& maps : sums) {
    const auto resized =
        at::upsample_bicubic2d(maps.sum, {height, width}, /*align_corners=*/false).clamp_min(0);
    total = total.defined() ? total.add_(resized) : resized;
    layers += maps.layers;
  }
  return total.div_(layers);
}

torch::Tensor heat_maps(const std::vector<LayerMaps>& layers, int64_t height, int64_t width) {
  std::vector<MapSum> sums;
  for (const auto& layer : layers) sums.push_back(layer.maps);
  return heat_maps(sums, height, width);
}

}  // namespace sd
