#include "pipeline/convert_networks.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/networks/apply.h"

namespace sd {

std::unique_ptr<TensorSource> merge_networks(std::unique_ptr<TensorSource> model,
                                             const ModelConfig& config,
                                             const ConvertRequest& request, ConvertReport& report) {
  if (request.networks.empty()) return model;
  if (request.keep_ema) {
    throw UsageError(
        "--keep-ema: the averaged weights would stay without the LoRA that the others get; leave "
        "it out, or merge into them alone with --ema");
  }
  std::vector<AppliedNetwork> applied;
  for (const auto& each : request.networks) {
    const auto network = open_network(each.file);
    const auto match = match_network(network, *model, config);
    report.merged.push_back({each.file, match_text(network->info(), match), match.unmatched});
    applied.push_back({network, each.text_encoder, each.unet, each.blocks});
  }
  return with_networks(std::move(model), config, applied);
}

void note_networks(const ConvertRequest& request, Metadata& metadata) {
  constexpr const char* kKey = "sd.merged";
  if (request.networks.empty()) return;
  std::string text;
  for (const auto& each : request.networks) {
    text += fmt::format("{}{}:{}:{}", text.empty() ? "" : ", ", each.file.stem().string(),
                        each.text_encoder, each.unet);
  }
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [](const auto& entry) { return entry.first == kKey; });
  if (found == metadata.end()) return void(metadata.emplace_back(kKey, std::move(text)));
  found->second += ", " + text;
}

}  // namespace sd
