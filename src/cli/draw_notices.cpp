#include "cli/draw_notices.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "cli/find_model.h"
#include "cli/text_output.h"
#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "sd/weights/summary.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kManySteps = 100;
constexpr int64_t kFullParameters = 500'000'000;  // Stable Diffusion v1 has 1,066 million

/// Where a YAML says how large a model's pictures are, weights and headers do not.
bool has_yaml(const DrawOptions& options, const fs::path& checkpoint) {
  std::error_code ignored;
  auto yaml = weights_path(checkpoint);
  yaml.replace_extension(".yaml");
  return options.config.has_value() || fs::is_regular_file(yaml, ignored);
}

/// None if it cannot be described: loading it will say why.
std::optional<ModelSummary> summary_of(const fs::path& checkpoint) {
  try {
    return describe_model(checkpoint);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Sides that the model was not trained for; empty if they are fine.
std::string size_notice(int64_t width, int64_t height, int64_t trained) {
  if (std::max(width, height) > 2 * trained) {
    return fmt::format(
        "{}x{}: the model was trained on {}x{}; beyond twice that it repeats subjects, and memory "
        "and time grow faster than the picture",
        width, height, trained, trained);
  }
  if (std::min(width, height) < trained / 2) {
    return fmt::format(
        "{}x{}: the model was trained on {}x{}; below half of that pictures fall apart",
        width, height, trained, trained);
  }
  return {};
}

/// What depends on the model: its sizes, and whether float32 is a burden.
void add_model_notices(const DrawOptions& options, bool slow_f32, std::vector<std::string>& lines) {
  const bool sized = options.W || options.H;
  if (!sized && !slow_f32) return;
  const auto found = find_model(options.ckpt, model_roots());
  if (found.is_demo) return;
  const auto model = summary_of(found.checkpoint);
  if (!model || !model->config) return;
  const int64_t trained = model->config->default_pixels();
  if (sized && !has_yaml(options, found.checkpoint)) {
    const auto line =
        size_notice(options.W.value_or(trained), options.H.value_or(trained), trained);
    if (!line.empty()) lines.push_back(line);
  }
  if (slow_f32 && model->parameters > kFullParameters) {
    lines.push_back(
        "f32 of a full-size model: this CPU multiplies bf16 in hardware; --dtype bf16 is faster and "
        "takes half the memory");
  }
}

}  // namespace

std::vector<std::string> draw_notices(const DrawOptions& options, const Machine& machine) {
  std::vector<std::string> lines;
  const bool on_cpu = computes_on_cpu(options.device, machine);
  if (on_cpu && options.ddim_steps > kManySteps) {
    lines.push_back(fmt::format(
        "{} steps on a CPU take long; 20 to 50 show the same picture with most samplers",
        options.ddim_steps));
  }
  if (on_cpu && options.dtype == DTypeChoice::kF16) {
    lines.push_back(fmt::format("f16 is for GPUs; on this CPU bf16 takes its place{}",
                                machine.bf16 ? "" : ", for the weights alone"));
  }
  const auto& sampler = info_of(options.chosen_sampler());
  if (on_cpu && sampler.calls > 1) {
    lines.push_back(fmt::format(
        "{} calls the UNet {} times a step, so {} steps take as long as {} of dpm++_2m or euler",
        sampler.name, sampler.calls, options.ddim_steps, sampler.calls * options.ddim_steps));
  }
  add_model_notices(options, on_cpu && machine.bf16 && options.dtype == DTypeChoice::kF32, lines);
  return lines;
}

void print_notices(const DrawOptions& options) {
  if (options.quiet) return;
  for (const auto& line : draw_notices(options, this_machine())) print_message(line);
}

}  // namespace sd::cli
