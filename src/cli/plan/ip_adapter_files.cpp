#include "cli/plan/ip_adapter_files.h"

#include <fmt/format.h>

#include "cli/models/find_model.h"
#include "pipeline/ip_adapter_check.h"

namespace sd::cli {

void check_ip_adapters(const DrawOptions& options, const ModelConfig& config) {
  const auto& followed = options.image_prompts;
  if (followed.vision) require_model("--ip-vision: ", *followed.vision);
  for (const auto& one : followed.adapters) {
    require_model("--ip-adapter: ", one.adapter);
    require_model("--ip-adapter: ", one.picture);
    check_ip_adapter(one.adapter, followed.vision, followed.weights, config.unet);
  }
}

}  // namespace sd::cli
