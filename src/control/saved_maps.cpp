#include "sd/control/saved_maps.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include "control/head_mean.h"
#include "control/rows.h"

namespace sd {

std::string saved_map_name(const AttentionCall& call) {
  const auto place = fmt::format("time{:04d}_res{:03d}", static_cast<int64_t>(call.step.timestep),
                                 resolution(call));
  if (call.site.part == UNetPart::kMiddle) return fmt::format("middle_{}.npy", place);
  return fmt::format("{}_{}_num{:03d}.npy", call.site.part == UNetPart::kDown ? "down" : "up",
                     place, call.site.block);
}

AttentionUse SavedMaps::use(const AttentionCall& call) const {
  const bool looks = call.site.kind == AttentionKind::kCross && call.step.evaluation == 0 &&
                     options_.steps.contains(call.step) && options_.sites.matches(call);
  return looks ? AttentionUse::kObserve : AttentionUse::kNone;
}

bool SavedMaps::observes(const RowGroup& rows, const AttentionCall&) const {
  return rows.conditional && rows.branch == RowGroup::Branch::kTarget &&
         rows.target == options_.target;
}

void SavedMaps::observe(const torch::Tensor& probs, const RowGroup& rows,
                        const AttentionCall& call) {
  const auto maps =
      head_mean(probs, options_.sites).unflatten(1, {call.height, call.width});  // [n,h,w,tokens]
  if (rows.part == 0) parts_.clear();
  parts_.push_back(maps);  // a batch's groups come in order
  if (rows.part + 1 < parts_of(call.rows)) return;
  sink_({saved_map_name(call), at::cat(parts_, -1).contiguous().cpu()});
  parts_.clear();
}

}  // namespace sd
