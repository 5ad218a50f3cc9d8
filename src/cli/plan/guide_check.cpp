#include "cli/plan/guide_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "cli/options/given_options.h"
#include "sd/core/error.h"
#include "weights/expected_tensors.h"

namespace sd::cli {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// Of a picture of 512x512 with 320 channels: an estimate by the sizes of what a block keeps, not
// measured at that size.
constexpr double kReferencePixels = 512.0 * 512.0;
constexpr double kUNetChannels = 320;
constexpr double kGradientMaps = 900.0 * kMiB;

std::string option_label(std::string_view field) {
  return field == "boxes" ? "--box" : "--" + dashed(field);
}

/// The guide that is asked for, as errors name it.
std::string_view guide_of(const DrawOptions& options) {
  return options.guides.excite.empty() ? "--box" : "--excite";
}

void refuse(bool given, const DrawOptions& options, std::string_view other, std::string_view why) {
  if (!given) return;
  throw UsageError(
      fmt::format("{}: {} {}\nLeave one of the two out.", guide_of(options), other, why));
}

void check_belonging(const DrawOptions& options) {
  const auto& guides = options.guides;
  const GuideWords untouched;
  const auto forbid = [](bool given, std::string_view what) {
    if (given) throw UsageError(std::string(what));
  };
  forbid(guides.excite.empty() && guides.excite_scale != untouched.excite_scale,
         "--excite-scale: says how far --excite moves the latents, which is not given");
  forbid(guides.boxes.empty() && guides.box_scale,
         "--box-scale: says how far --box moves the latents, which is not given");
  forbid(guides.boxes.empty() && guides.box_method != untouched.box_method,
         "--box-method: says how --box moves the latents, which is not given");
  const bool boxdiff = !guides.boxes.empty() && guides.box_method == BoxMethod::kBoxDiff;
  forbid(!boxdiff && guides.box_part,
         "--box-part: says how much of a box --box-method boxdiff fills, and there is no such box");
  forbid(!guides.guides() && guides.guide_res,
         "--guide-res: says which layers --excite and --box look at, and neither is given");
}

/// "input_blocks.4" of a weight's name; empty for those outside of the UNet's blocks.
std::string block_of(const std::string& name) {
  for (const std::string_view list : {"input_blocks.", "output_blocks.", "middle_block."}) {
    const auto found = name.find(list);
    if (found == std::string::npos) continue;
    // The middle is one block.
    if (list == "middle_block.") return std::string(list);
    const auto number = found + list.size();
    return name.substr(found, name.find('.', number) - found);
  }
  return {};
}

int64_t most_weights_of_a_block(const ModelConfig& config) {
  std::map<std::string, int64_t> bytes;
  for (const auto& tensor : expected_tensors(config)) {
    const auto block = block_of(tensor.name);
    if (block.empty()) continue;
    int64_t count = 4;  // bytes of a float
    for (const int64_t side : tensor.shape) count *= side;
    bytes[block] += count;
  }
  int64_t most = 0;
  for (const auto& [block, count] : bytes) most = std::max(most, count);
  return most;
}

}  // namespace

void check_guides(const DrawOptions& options, const RunPrompts& prompts,
                  const RunNetworks& networks, const PromptReader& reader) {
  check_belonging(options);
  if (!options.guides.guides()) return;
  refuse(options.deepcache > 1, options, "--deepcache",
         "computes the deep layers in some steps alone, and gradients go through them before each");
  refuse(options.token_merging > 0, options, "--tome",
         "merges pixels, and gradients go through the whole UNet");
  refuse(!options.nets.inputs.empty(), options, "--control",
         "adds to the UNet what gradients do not go through");
  refuse(!options.image_prompts.adapters.empty(), options, "--ip-adapter",
         "has pixels look at a picture too, and gradients follow the words alone");
  refuse(!networks.sets.empty(), options, "a LoRA of some prompts or steps",
         "is added beside the weights that gradients go through; one of all prompts and steps is "
         "not");
  refuse(prompts.swaps() && options.swap.mode == SwapMode::kFork, options, "--mode fork",
         "draws as the original program did, which guided nothing; --mode p2p goes with it");
  for (const auto& set : prompts.sets) {
    for (const auto& target : set.targets) {
      refuse(reader.part_weights(target).size() > 1, options, "a prompt joined by AND",
             "is drawn in passes of their own, in which the words of others do not compete");
    }
    check_guide_words(options.guides, set.targets, reader, option_label);
  }
}

void add_gradients(MemoryNeed& need, const DrawOptions& options, const ModelConfig& config) {
  if (!options.guides.guides()) return;
  const int64_t side = config.default_pixels();
  const bool known = !options.input.init_img || (options.W && options.H);
  const auto width = static_cast<double>(known ? options.W.value_or(side) : 64);
  const auto height = static_cast<double>(known ? options.H.value_or(side) : 64);
  const double maps = kGradientMaps * width * height / kReferencePixels *
                      static_cast<double>(config.unet.model_channels) / kUNetChannels;
  const int64_t weights = most_weights_of_a_block(config);
  need.gradients = static_cast<int64_t>(maps) + weights;
  need.least += need.gradients / 2;
  need.usual += need.gradients;
  need.address_space += need.gradients;
}

}  // namespace sd::cli
