#include "cli/plan/draw_notices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "cli/shell/text_output.h"
#include "sd/image/infotext.h"
#include "sd/text/prompt_choices.h"
#include "sd/weights/foreign_names.h"

namespace sd::cli {
namespace {

constexpr int64_t kManySteps = 100;
constexpr int64_t kFullChannels = 320;  // of the UNet of all published models of this family

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
        "{}x{}: the model was trained on {}x{}; below half of that pictures fall apart", width,
        height, trained, trained);
  }
  return {};
}

/// What braces in prompts will be, where that may surprise.
std::string choices_notice(const DrawOptions& options) {
  if (options.from_file) return {};
  auto prompts = options.swap.targets;
  prompts.push_back(options.prompt);
  if (options.swap.source) prompts.push_back(*options.swap.source);
  const bool choices = std::any_of(prompts.begin(), prompts.end(), has_choices);
  if (choices == options.combinations) return {};
  return choices ? "braces in the prompt are text; --combinations draws every choice of {a|b}"
                 : "--combinations: the prompt has no choice like {a|b}";
}

/// The fork's own command lines give a strength to swaps that start from noise.
std::string strength_notice(const DrawOptions& options, bool follows) {
  if (follows || !options.input.strength || options.input.init_img) return {};
  return fmt::format(
      "--strength {} changes nothing without --init-img, as in the original: the start is noise",
      number_text(*options.input.strength));
}

/// Control nets and pictures that are followed in none of the steps.
std::vector<std::string> idle_net_notices(const DrawOptions& options) {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view option, const std::filesystem::path& file, double begin,
                       double end) {
    lines.push_back(fmt::format("--{} {}: {}:{} of {} steps is none, so it changes nothing", option,
                                file.filename().string(), number_text(begin), number_text(end),
                                options.steps));
  };
  const auto steps = static_cast<double>(options.steps);
  for (const auto& net : options.nets.inputs) {
    // It acts in steps that lie in its window as a whole.
    const bool acts = std::ceil(net.start * steps) + 1 <= net.end * steps;
    if (!acts) add("control", net.net, net.start, net.end);
  }
  for (const auto& adapter : options.image_prompts.adapters) {
    const auto& [begin, end] = adapter.steps;
    const bool acts = static_cast<int64_t>(begin * steps) < static_cast<int64_t>(end * steps);
    if (!acts) add("ip-adapter", adapter.adapter, begin, end);
  }
  return lines;
}

}  // namespace

bool is_full_size(const ModelConfig& model) { return model.unet.model_channels >= kFullChannels; }

std::vector<std::string> draw_notices(const DrawOptions& options, const ModelConfig& model,
                                      const Machine& machine, bool follows) {
  std::vector<std::string> lines;
  const bool on_cpu = computes_on_cpu(options.device, machine);
  if (on_cpu && options.steps > kManySteps) {
    lines.push_back(fmt::format(
        "{} steps on a CPU take long; 20 to 50 show the same picture with most samplers",
        options.steps));
  }
  if (on_cpu && options.dtype == DTypeChoice::kF16) {
    lines.push_back(fmt::format("f16 is for GPUs; on this CPU bf16 takes its place{}",
                                machine.bf16 ? "" : ", for the weights alone"));
  }
  const auto& sampler = info_of(options.chosen_sampler());
  if (on_cpu && sampler.calls > 1) {
    lines.push_back(fmt::format(
        "{} calls the UNet {} times a step, so {} steps take as long as {} of dpm++_2m or euler",
        sampler.name, sampler.calls, options.steps, sampler.calls * options.steps));
  }
  if (on_cpu && is_full_size(model) && machine.bf16 && options.dtype == DTypeChoice::kF32) {
    lines.emplace_back(
        "f32 of a full-size model: this CPU multiplies bf16 in hardware; --dtype bf16 is faster "
        "and "
        "takes half the memory");
  }
  const int64_t trained = model.default_pixels();
  const auto size = size_notice(options.W.value_or(trained), options.H.value_or(trained), trained);
  if (!size.empty()) {
    lines.push_back(fmt::format("{}\nWithout --W and --H it draws {}x{}.", size, trained, trained));
  }
  for (const auto& line : {choices_notice(options), strength_notice(options, follows)}) {
    if (!line.empty()) lines.push_back(line);
  }
  for (auto& line : idle_net_notices(options)) lines.push_back(std::move(line));
  return lines;
}

std::string foreign_notice(const std::string& model, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  constexpr std::size_t kCharacters = 80;  // of one
  if (names.empty()) return {};
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    list += (i == 0 ? "" : ", ") + shorten(names[i], kCharacters);
  if (names.size() > kShown) list += ", …";
  return fmt::format("{}: its pickle names {} unknown here, of which nothing is run: {}{}", model,
                     names.size() == 1 ? "a class" : fmt::format("{} classes", names.size()), list,
                     names.size() > kShown ? " ('sd info' lists them)" : "");
}

std::vector<std::string> foreign_notices(const ModelFiles& files,
                                         std::set<std::filesystem::path>& told) {
  std::vector<std::string> lines;
  for (const auto& file :
       {std::optional(files.checkpoint), files.separate.vae, files.separate.clip}) {
    if (!file || !told.insert(*file).second) continue;
    auto notice = foreign_notice(file->string(), foreign_names(*file));
    if (!notice.empty()) lines.push_back(std::move(notice));
  }
  return lines;
}

}  // namespace sd::cli
