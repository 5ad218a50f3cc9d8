#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "cli/draw/input_picture.h"
#include "cli/plan/control_words.h"
#include "cli/plan/draw_plan.h"
#include "sd/image/image.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

/// A mask in all of the sizes in which it is used.
struct SizedMask {
  Image pixels;           // grey, white may change
  torch::Tensor latents;  // [1,1,h,w] in [0,1]
  torch::Tensor fine;     // [1,1,H,W], likewise

  /// What pictures are pasted by: of a graded mask all that may change at all.
  Image paste(MaskMode mode) const;
};

/// Turns a mask around, grows and softens it as the options ask, and reduces it. Throws UsageError,
/// beginning with `option`, where nothing is left of it.
SizedMask sized_mask(const DrawPlan& plan, const Image& mask, std::string_view option);
/// The same without a demand that something be left.
SizedMask any_sized_mask(const DrawPlan& plan, const Image& mask);

/// Writes it where --save-mask says, if it is asked for. Throws IoError.
void save_mask(const DrawPlan& plan, const SizedMask& mask);

/// Where the regions of a plan count: maps of the base, where it has a weight, then of each region,
/// [1,1,h,w]. Throws UsageError for pixels that no prompt covers.
std::vector<torch::Tensor> region_maps(const DrawPlan& plan);

/// DiffEdit's masks of a run: one for each set of prompts and seed, made when it is first asked
/// for.
class AutoMasks {
 public:
  AutoMasks(const DrawPlan& plan, const LoadedModel& model, const RunInputs& inputs)
      : plan_(plan), model_(model), inputs_(inputs) {}

  /// Where a sample may change: for any of its targets. Throws UsageError where that is nowhere.
  std::shared_ptr<const SizedMask> of(const PromptSet& set);

 private:
  SizedMask made(const PromptSet& set, uint64_t seed) const;

  const DrawPlan& plan_;
  const LoadedModel& model_;
  const RunInputs& inputs_;
  std::map<std::tuple<std::vector<std::string>, std::string, uint64_t>,
           std::shared_ptr<const SizedMask>>
      made_;
};

}  // namespace sd::cli
