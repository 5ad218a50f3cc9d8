#include "cli/plan/control_net_check.h"

#include <fmt/format.h>

#include <string_view>
#include <system_error>

#include "cli/models/find_model.h"
#include "cli/plan/memory_need.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/core/model_hash.h"
#include "sd/image/metadata.h"
#include "sd/weights/control_file.h"

namespace sd::cli {
namespace {

void check_counts(const ControlNetOptions& nets) {
  const auto check = [&](std::string_view option, std::size_t given) {
    if (given <= 1 || given == nets.inputs.size()) return;
    throw UsageError(
        fmt::format("--{}: given {} times for {} control nets\nGive it once for all of "
                    "them, or once for each.",
                    option, given, nets.inputs.size()));
  };
  check("control-mode", nets.modes.size());
  check("control-resize", nets.resizes.size());
  check("control-preprocess", nets.preprocess.size());
}

Size picture_size(const std::filesystem::path& path) {
  if (const auto dead = dead_link(path)) throw IoError(fmt::format("--control: {}", *dead));
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw IoError(fmt::format(
        "--control: the picture {} does not exist\nExpected NET:PICTURE[:WEIGHT[:START:END]].",
        path.string()));
  }
  const auto picture = read_metadata(path);
  return {picture.width, picture.height};
}

/// What is said of a picture whose shape is not that of what is drawn.
void say_shape(const ControlInput& input, Size given, Size drawn, ControlResize resize,
               const Say& say) {
  if (given.width * drawn.height == given.height * drawn.width) return;
  constexpr std::string_view kCut = "its middle is taken";
  const auto done = resize == ControlResize::kCrop   ? kCut
                    : resize == ControlResize::kFill ? "what is missing is filled up"
                                                     : "it is stretched";
  say(fmt::format("--control: {} has {}x{}, another shape than {}x{}: {} (--control-resize)",
                  input.picture.string(), given.width, given.height, drawn.width, drawn.height,
                  done));
}

}  // namespace

ControlNetOptions checked_control_nets(const DrawOptions& options, const ModelConfig& config,
                                       const std::string& model, Size drawn, const Say& say) {
  auto nets = options.nets;
  if (nets.inputs.empty()) return nets;
  check_counts(nets);
  if (options.deepcache > 1) {
    throw UsageError(fmt::format(
        "--deepcache {}: a control net adds to the deep layers in every step, and between whole "
        "steps they are not computed\nLeave one of the two out; --tome and --guidance-interval go "
        "with --control.",
        options.deepcache));
  }
  for (std::size_t i = 0; i < nets.inputs.size(); ++i) {
    auto& input = nets.inputs[i];
    const auto given = picture_size(input.picture);
    require_model("--control: ", input.net);
    const auto net = open_control(input.net);
    require_fitting(net, config, model);
    input.hash = first_model_hash(net.main_file);
    if (!options.quiet) say_shape(input, given, drawn, nets.resize_of(i), say);
  }
  return nets;
}

void add_control_nets(MemoryNeed& need, const DrawOptions& options, const ModelConfig& config) {
  const int64_t element = weight_element(options);
  for (const auto& input : options.nets.inputs) {
    std::error_code ignored;
    if (!std::filesystem::exists(input.net, ignored)) continue;  // said where it is checked
    const int64_t bytes = element * control_parameters(open_control(input.net), config);
    need.least += bytes;
    need.usual += bytes;
    need.address_space += 2 * bytes;
  }
}

}  // namespace sd::cli
