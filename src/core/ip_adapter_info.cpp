#include "sd/core/ip_adapter_info.h"

#include <algorithm>

namespace sd {
namespace {

// Transformers of Stable Diffusion: six down, one in the middle, nine up.
constexpr int64_t kLayers = 16, kMiddle = 6;
constexpr double kLeast = 0.05, kWeak = 0.2;

double block_weight(IpWeights weights, int64_t t) {
  const double along = static_cast<double>(t) / kLayers;
  switch (weights) {
    case IpWeights::kEaseIn:
      return kLeast + (1 - kLeast) * (1 - along);
    case IpWeights::kEaseOut:
      return kLeast + (1 - kLeast) * along;
    case IpWeights::kWeakInput:
      return t < kMiddle ? kWeak : 1;
    case IpWeights::kWeakMiddle:
      return t == kMiddle ? kWeak : 1;
    case IpWeights::kWeakOutput:
      return t > kMiddle ? kWeak : 1;
    case IpWeights::kStyle:
      return t <= 3 || t >= 9 ? 1 : 0;
    case IpWeights::kComposition:
      return t == 4 ? 0.25 : t == 5 ? 1 : 0;
    case IpWeights::kLinear:
      break;
  }
  return 1;
}

}  // namespace

std::string_view name_of(IpAdapterKind kind) {
  switch (kind) {
    case IpAdapterKind::kPlus:
      return "plus";
    case IpAdapterKind::kFull:
      return "full";
    case IpAdapterKind::kPlain:
      break;
  }
  return "plain";
}

const std::vector<std::string>& ip_weights_names() {
  static const std::vector<std::string> names = {"linear",     "ease-in",     "ease-out",
                                                 "weak-input", "weak-middle", "weak-output",
                                                 "style",      "composition"};
  return names;
}

std::optional<IpWeights> find_ip_weights(std::string_view name) {
  const auto& names = ip_weights_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<IpWeights>(found - names.begin());
}

std::vector<double> block_weights(IpWeights weights) {
  std::vector<double> all;
  for (int64_t t = 0; t < kLayers; ++t) all.push_back(block_weight(weights, t));
  return all;
}

}  // namespace sd
