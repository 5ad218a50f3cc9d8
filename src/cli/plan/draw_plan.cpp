#include "cli/plan/draw_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/models/find_model.h"
#include "cli/options/attn_words.h"
#include "cli/plan/compose_regions.h"
#include "cli/plan/control_net_check.h"
#include "cli/plan/draw_notices.h"
#include "cli/plan/faster_check.h"
#include "cli/plan/gradient_need.h"
#include "cli/plan/guide_check.h"
#include "cli/plan/inversion_plan.h"
#include "cli/plan/ip_adapter_files.h"
#include "cli/plan/memory_need.h"
#include "cli/plan/model_fit.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/plan/prompt_notice.h"
#include "cli/plan/run_extent.h"
#include "cli/plan/settled_options.h"
#include "cli/plan/sharing_check.h"
#include "cli/record/confined_paths.h"
#include "cli/record/output_folder.h"
#include "cli/record/picture_record.h"
#include "cli/shell/machine.h"
#include "sd/core/error.h"
#include "sd/weights/variants.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

/// Latents are written when everything is drawn, so what is in their way is said now.
void check_latents(const DrawOptions& options) {
  if (options.swap.dry_run || !options.save_latents) return;
  for (const char* name : {kLatentsName, kSourceLatentsName}) {
    const auto latents = *options.save_latents / name;
    std::error_code ignored;
    if (!fs::exists(latents, ignored)) continue;
    throw IoError(fmt::format(
        "--save-latents: {} is there already and is not overwritten\nGive another folder.",
        latents.string()));
  }
}

/// Options of `sd swap` that only a file of prompts could have made sense of.
void check_sources(const DrawOptions& options, const RunPrompts& prompts, const Say& say) {
  if (!options.from_file || options.task != DrawTask::kSwap) return;
  const bool asks = options.swap.is_swap || options.swap.mode == SwapMode::kPromptToPrompt ||
                    (options.input.edit_mask && !options.input.init_img) ||
                    options.sharing.settings().needs_source();
  if (asks && !prompts.swaps()) {
    throw UsageError(fmt::format(
        "--from-file: {} names no source to swap with\nExpected source and target with a tab "
        "between on each line, or --sprompt.",
        *options.from_file));
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (options.quiet || prompts.sets[i].source != prompts.sets[i].targets.front()) continue;
    say(fmt::format("line {}: the target equals the source and will be it again",
                    prompts.listed[i].line));
  }
}

/// With --confined nothing is written over a link below --outdir: settled folders of the task's
/// that lie there, be it by default.
void check_confined(const DrawOptions& options) {
  if (!options.batch.confined) return;
  std::error_code error;
  const auto outdir = fs::absolute(options.folder(), error).lexically_normal();
  for (const auto& [folder, what] : {std::pair{options.attn.dir, "--attn"},
                                     {options.attn.save_attn_dir, "--save_attn_dir"},
                                     {options.save_latents, "--save-latents"}}) {
    if (!folder) continue;
    const auto way = fs::absolute(*folder, error).lexically_normal().lexically_relative(outdir);
    const bool below = !way.empty() && *way.begin() != "..";
    if (below) require_confined(options.folder(), *folder, what);  // else the command names it
  }
}

/// A run that draws says it when its model is loaded.
void say_tags(const DrawPlan& plan, const DrawOptions& options, const Say& say) {
  const auto notice =
      network_tags_notice(prompts_of(plan.prompts), options.negative_prompt, *plan.reader);
  if (!notice.empty() && !options.quiet) say(notice);
}

/// What needs more memory than there can be is refused before anything is loaded. A GPU's memory is
/// its own affair.
void check_memory(const DrawPlan& plan, const DrawOptions& options, const Say& say) {
  const auto machine = this_machine();
  if (!computes_on_cpu(options.device, machine)) return;
  remember_need(plan.memory);
  require_memory(plan.memory, machine);
  require_memory_for_gradients(plan.memory, machine);
  const auto notice = tight_memory_notice(plan.memory, machine);
  if (!notice.empty() && !plan.follows() && !options.quiet) say(notice);
}

/// What of the options will be slow here, and what is odd about the model's file.
void say_notices(const DrawPlan& plan, const DrawOptions& options, PlanContext& context) {
  if (options.quiet) return;
  const auto& config = plan.model->config;
  for (const auto& line : draw_notices(options, config, this_machine(), plan.follows()))
    context.say(line);
  if (const auto variant = variant_notice(plan.model->files.checkpoint)) context.say(*variant);
  for (const auto& line : foreign_notices(plan.model->files, context.told_foreign))
    context.say(line);
}

/// An input picture decides the size, or the model does, unless told otherwise.
Size settled_size(const SettledOptions& typed, const DrawPlan& plan, const Say& say) {
  const auto& [options, input] = typed;
  if (input) {
    if (input->drawn != input->given && !options.quiet) {
      say(fmt::format("--init-img: {}x{} is drawn as {}x{}", input->given.width,
                      input->given.height, input->drawn.width, input->drawn.height));
    }
    return input->drawn;
  }
  const bool told = options.W && options.H;
  const int64_t side =
      told ? 0 : checked_default_side(plan.model->config.default_pixels(), plan.model_name);
  return {options.W.value_or(side), options.H.value_or(side)};
}

/// Nothing where nothing is guided, so that metadata stay as they are.
std::optional<int64_t> settled_guide_res(const DrawOptions& options, const ModelConfig& config,
                                         Size size) {
  if (options.guides.guide_res || !options.guides.guides()) return options.guides.guide_res;
  return default_guide_res(config, std::min(size.width, size.height) / options.f);
}

/// Nothing where no box is brought about by BoxDiff.
std::optional<double> settled_box_part(const DrawOptions& options, Size size) {
  const auto& guides = options.guides;
  if (guides.boxes.empty() || guides.box_method != BoxMethod::kBoxDiff) return guides.box_part;
  return guides.box_part.value_or(default_box_part(std::min(size.width, size.height) / options.f));
}

/// What depends on the model.
void settle_by_model(DrawPlan& plan, const SettledOptions& typed, const FoundModel& found,
                     const Say& say) {
  const auto& options = typed.options;
  if (found.is_demo && !plan.follows() && !options.quiet) {
    say(fmt::format("no --ckpt given and no {}: using the demo model in {}", kDefaultCheckpoint,
                    found.checkpoint.string()));
  }
  const auto& config = plan.model->config;
  auto& settled = plan.options;
  const auto size = settled_size(typed, plan, say);
  settled.W = size.width;
  settled.H = size.height;
  settled.inversion.method = settled_inversion(options, config, say);
  const bool draws_noise = settled.inversion.method == InversionMethod::kEditFriendly;
  if (draws_noise && options.task == DrawTask::kSwap) settled.eta = 1;
  settled.input = fitted_input(settled, config, found.checkpoint.string());
  settled.swap.blend_res = options.swap.blend_res.value_or(
      default_blend_res(config, std::min(size.width, size.height) / options.f));
  settled.guides.guide_res = settled_guide_res(options, config, size);
  settled.guides.box_part = settled_box_part(options, size);
  settled.nets = checked_control_nets(options, config, found.checkpoint.string(), size, say);
  settled.prediction = config.prediction;
  if (!options.config) settled.config = sidecar_config(found.checkpoint);
}

/// Reads the prompts and checks that what looks for words in them finds some.
void read_prompts(DrawPlan& plan, const DrawOptions& options, PlanContext& context) {
  plan.prompts = run_prompts(options, options.from_file ? context.listed.get() : nullptr);
  for (const auto& bad : plan.prompts.bad_lines) context.refuse(bad);
  check_sources(options, plan.prompts, context.say);
  plan.regions = run_regions(options, context.say);
  compose_regions(plan);
  plan.embeddings = plan_embeddings(options, distinct_prompts(options, plan.drawn()), *plan.model,
                                    plan.place ? Say([](const std::string&) {}) : context.say);
  plan.reader = reader_of_plan(plan, options);
  plan.networks = run_networks(options, plan.drawn(), *plan.reader, *plan.model, context);
  check_controls(options, plan.prompts.sets, plan.looked_at().sets, *plan.reader);
  check_mask_words(options, plan.prompts.sets, *plan.reader);
  check_faster(options, plan.prompts);
  check_guides(options, plan.prompts, plan.networks, *plan.reader);
  check_attn(options.attn, attn_subject(options, plan.looked_at()),
             *reader_of_maps(options, plan.reader));
}

}  // namespace

DrawPlan make_plan(const DrawOptions& typed, PlanContext& context) {
  auto [with_inversion, inversion] = open_inversion(typed);
  const auto settled = settled_options(with_inversion, context.say);
  const auto& options = settled.options;
  DrawPlan plan;
  plan.options = options;
  plan.place = context.place;
  plan.inversion = std::move(inversion);
  const auto found = find_model(options.ckpt, model_roots());
  plan.model = inspected_model(
      {found.checkpoint, options.config, {options.vae, options.clip}, options.prediction}, context);
  plan.model_name = model_name(found.checkpoint);
  check_ip_adapters(options, plan.model->config);
  const bool lists = options.from_file.has_value();
  if (!lists) read_prompts(plan, options, context);
  check_latents(options);
  if (options.swap.dry_run) {
    settle_by_model(plan, settled, found, context.say);
    if (!lists) {
      check_inversion(plan.options, plan.prompts, plan.networks, plan.inversion.get(), context.say);
    }
    say_tags(plan, options, context.say);
    return plan;
  }
  plan.memory = memory_need(options, plan.model->config, found.checkpoint);
  add_control_nets(plan.memory, options, plan.model->config);
  add_gradients(plan.memory, options, plan.model->config);
  say_notices(plan, options, context);
  check_memory(plan, options, context.say);
  settle_by_model(plan, settled, found, context.say);
  // What is said of a list's lines stands behind what is said of the run.
  if (lists) read_prompts(plan, options, context);
  check_inversion(plan.options, plan.prompts, plan.networks, plan.inversion.get(),
                  plan.follows() ? Say([](const std::string&) {}) : context.say);
  settle_extent(plan, context.say);
  check_confined(options);
  return plan;
}

}  // namespace sd::cli
