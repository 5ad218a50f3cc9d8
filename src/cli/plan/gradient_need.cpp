#include "cli/plan/gradient_need.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "weights/expected_tensors.h"

namespace sd::cli {
namespace {

constexpr int64_t kFloat = 4;  // bytes
constexpr int64_t kMiB = int64_t{1} << 20;

// What was measured is in docs/editing.md. Pages of LibTorch that drawing does not touch.
constexpr int64_t kProgram = 20 * kMiB;
// Maps as wide as a block that it keeps for the way back: some ten of its convolutions and norms,
// thirty of its transformer.
constexpr int64_t kMapsOfABlock = 40;
// Of self-attention: probabilities, their scores and the gradient of both, unless there are so many
// that LibTorch's fused kernel computes them.
constexpr int64_t kProbabilities = 3;
constexpr int64_t kMostProbabilities = int64_t{1} << 26;

/// A list of blocks in a weight's name, and which block of it.
struct BlockName {
  std::string_view list;
  int64_t number = 0;
  auto operator<=>(const BlockName&) const = default;
};

/// None for weights outside of the UNet's blocks.
std::optional<BlockName> block_of(const std::string& name) {
  for (const std::string_view list : {"input_blocks.", "output_blocks.", "middle_block."}) {
    const auto found = name.find(list);
    if (found == std::string::npos) continue;
    const bool one = list == "middle_block.";
    return BlockName{list, one ? 0 : std::stoll(name.substr(found + list.size()))};
  }
  return std::nullopt;
}

/// How often its side is halved.
int64_t level_of(const BlockName& block, const UNetConfig& unet) {
  const int64_t deepest = static_cast<int64_t>(unet.channel_mult.size()) - 1;
  const int64_t of_a_level = unet.num_res_blocks + 1;
  if (block.list == "middle_block.") return deepest;
  if (block.list == "output_blocks.") return deepest - block.number / of_a_level;
  return std::max<int64_t>(block.number - 1, 0) / of_a_level;
}

int64_t probabilities_of(const UNetConfig& unet, int64_t level, int64_t channels, int64_t pixels) {
  if (std::ranges::count(unet.attention_resolutions, int64_t{1} << level) == 0) return 0;
  const int64_t heads =
      unet.num_head_channels > 0 ? channels / unet.num_head_channels : unet.num_heads;
  const int64_t all = heads * pixels * pixels;
  return all <= kMostProbabilities ? kProbabilities * all : 0;
}

/// Of latents of so many pixels.
int64_t gradient_bytes(const ModelConfig& config, int64_t pixels) {
  std::map<BlockName, int64_t> weights;
  for (const auto& tensor : expected_tensors(config)) {
    const auto block = block_of(tensor.name);
    if (!block) continue;
    int64_t count = 1;
    for (const int64_t side : tensor.shape) count *= side;
    weights[*block] += count;
  }
  const auto& unet = config.unet;
  int64_t kept = 0, most = 0;
  for (const auto& [block, count] : weights) {
    const int64_t level = level_of(block, unet);
    const int64_t channels =
        unet.model_channels * unet.channel_mult[static_cast<std::size_t>(level)];
    const int64_t here = std::max<int64_t>(pixels >> (2 * level), 1);
    kept += channels * here;
    most = std::max(most, count + kMapsOfABlock * channels * here +
                              probabilities_of(unet, level, channels, here));
  }
  return kProgram + kFloat * (kept + most);
}

bool takes_gradients(const DrawOptions& options) {
  const auto& inversion = options.inversion;
  return options.guides.guides() ||
         (inversion.method == InversionMethod::kNullText && !inversion.file);
}

}  // namespace

void add_gradients(MemoryNeed& need, const DrawOptions& options, const ModelConfig& config) {
  if (!takes_gradients(options)) return;
  const int64_t side = config.default_pixels();
  // As memory_need has it: an input picture's size is not known yet.
  const bool known = !options.input.init_img || (options.W && options.H);
  const int64_t factor = config.vae.factor();
  const int64_t pixels = (known ? options.W.value_or(side) : 64) / factor *
                         ((known ? options.H.value_or(side) : 64) / factor);
  need.gradients = gradient_bytes(config, pixels);
  need.least += need.gradients / 2;
  need.usual += need.gradients;
  need.address_space += need.gradients;
}

}  // namespace sd::cli
