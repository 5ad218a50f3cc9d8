#include "cli/plan/inversion_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cli/options/option_table.h"
#include "cli/plan/inversion_additions.h"
#include "sd/core/error.h"
#include "sd/core/sha256.h"

namespace sd::cli {
namespace {

constexpr int64_t kFactor = 8;  // pixels a side of a latent

void refuse_given(bool given, std::string_view option, std::string_view why) {
  if (given) throw UsageError(fmt::format("--{}: {}", option, why));
}

/// Whether an option was typed, or has another value than its default.
bool is_asked(const DrawOptions& options, std::string_view name) {
  const auto* row = find_row(name);
  return options.given.has(name) || (row != nullptr && is_given(*row, options));
}

void check_picture(const DrawOptions& options, const InversionFile& file) {
  const auto& picture = options.input.init_img;
  if (!picture || sha256_file(*picture) == file.picture) return;
  throw UsageError(fmt::format(
      "--inversion: {} was made of another picture than --init-img {}\nInvert this one with 'sd "
      "invert', or leave --init-img out.",
      options.inversion.file->string(), picture->string()));
}

void check_method(const DrawOptions& options, const InversionFile& file) {
  const auto used = options.inversion.method.value_or(file.method);
  if (draws_by(file.method, used)) return;
  throw UsageError(
      fmt::format("--invert {}: {} was made by {} and holds nothing to draw by {} with\nInvert the "
                  "picture again: sd invert --method {}.",
                  name_of(used), options.inversion.file->string(), name_of(file.method),
                  name_of(used), name_of(used)));
}

void settle_side(std::optional<int64_t>& side, int64_t kept, std::string_view option,
                 const DrawOptions& options) {
  if (side && *side != kept) {
    throw UsageError(
        fmt::format("--{} {}: the picture in --inversion {} has {}\nLeave the size "
                    "out, or invert the picture in this one.",
                    option, *side, options.inversion.file->string(), kept));
  }
  side = kept;
}

void settle_source(DrawOptions& options, const InversionFile& file) {
  auto& source = options.swap.source;
  if (source && *source != file.prompt) {
    throw UsageError(fmt::format(
        "--sprompt '{}': the picture in --inversion {} was inverted with '{}'\nLeave --sprompt "
        "out, or invert the picture with this one.",
        *source, options.inversion.file->string(), file.prompt));
  }
  source = file.prompt;
}

void forbid_start(const DrawOptions& options, std::string_view what) {
  const auto& input = options.input;
  const auto why = fmt::format("not beside {}, which says where the picture starts", what);
  refuse_given(options.init_latents.has_value(), "init-latents", why);
  refuse_given(options.variation.has_value(), "variation", why);
  refuse_given(options.fixed_code, "fixed_code", why);
  refuse_given(input.img_scale.has_value(), "img-scale", "belongs to InstructPix2Pix");
  refuse_given(
      input.init_mask.has_value(), "init-mask",
      fmt::format("not beside {}, along which nothing is made noisy and put back\nGive the "
                  "mask as --edit-mask: outside of it targets stay the source, with --init-img "
                  "the picture's own pixels; with --mask-mode graded, grey says how much a pixel "
                  "may change.",
                  what));
}

void check_proximal(const InversionOptions& inversion) {
  constexpr const char* kOwner = "belongs to --invert npi";
  const bool own = inversion.method == InversionMethod::kNegativePrompt;
  refuse_given(!own && inversion.proximal != kDefaultProximal, "proximal", kOwner);
  refuse_given(!own && inversion.proximal_norm.has_value(), "proximal-norm", kOwner);
  refuse_given(inversion.proximal == 0 && inversion.proximal_norm.has_value(), "proximal-norm",
               "--proximal 0 leaves all differences as they are");
}

}  // namespace

OpenedInversion open_inversion(const DrawOptions& typed) {
  const auto& path = typed.inversion.file;
  if (!path) return {typed, nullptr};
  auto options = typed;
  const auto file = std::make_shared<const InversionFile>(read_inversion(*path));
  check_picture(options, *file);
  check_method(options, *file);
  refuse_given(
      options.input.strength.has_value(), "strength",
      "--inversion was made to a depth of its own\nInvert the picture with another --depth.");
  forbid_start(options, "--inversion");
  settle_source(options, *file);
  settle_side(options.W, kFactor * file->width(), "W", options);
  settle_side(options.H, kFactor * file->height(), "H", options);
  if (!is_asked(typed, "ddim_steps")) options.steps = file->steps;
  if (!typed.sampler && !typed.plms) options.sampler = file->sampler;
  options.inversion.method = typed.inversion.method.value_or(file->method);
  return {std::move(options), file};
}

std::optional<InversionMethod> settled_inversion(const DrawOptions& options,
                                                 const ModelConfig& config, const Say& say) {
  const auto& input = options.input;
  if (options.inversion.method) return options.inversion.method;
  const bool looks =
      options.swap.mode == SwapMode::kPromptToPrompt || options.sharing.settings().needs_source();
  const bool edits =
      options.task == DrawTask::kSwap && input.init_img && options.swap.source && looks;
  // A graded mask lets pixels go from a picture made noisy; of a swap's own, from the source's
  // path.
  const bool otherwise = input.strength || input.init_mask || options.init_latents ||
                         options.variation || options.fixed_code ||
                         (input.mask_mode == MaskMode::kGraded && !input.edit_mask);
  if (!edits || otherwise || config.extra() != UNetExtra::kNone) return std::nullopt;
  const auto sampler = options.chosen_sampler();
  if (why_not_sampled(InversionMethod::kDirect, sampler).empty()) return InversionMethod::kDirect;
  if (!options.quiet) {
    say(fmt::format(
        "--init-img: {} draws random numbers and cannot follow an inverted picture; the "
        "swap starts from the picture with noise, as --strength {} does",
        info_of(sampler).name, number_text(kDefaultStrength)));
  }
  return std::nullopt;
}

double usual_depth(InversionMethod method) {
  constexpr double kEditFriendlyDepth = 0.64;  // 36 of 100 steps are skipped
  return method == InversionMethod::kEditFriendly ? kEditFriendlyDepth : 1.0;
}

void check_inversion(const DrawOptions& options, const RunPrompts& prompts,
                     const RunNetworks& networks, const InversionFile* file, const Say& say) {
  if (options.task != DrawTask::kSwap) return;
  const auto& inversion = options.inversion;
  check_proximal(inversion);
  if (!inversion.method) return;
  const auto method = *inversion.method;
  const auto sampler = options.chosen_sampler();
  if (const auto why = why_not_sampled(method, sampler); !why.empty())
    throw UsageError(fmt::format("--sampler {}: {}", info_of(sampler).name, why));
  const bool own = method == InversionMethod::kNegativePrompt;
  if (!inversion.file) {
    refuse_given(!options.input.init_img, "invert",
                 "needs a picture: --init-img FILE, or --inversion FILE");
    forbid_start(options, "--invert");
  }
  if (method != InversionMethod::kDirect) check_additions(options, networks, file, method);
  const double eta = method == InversionMethod::kEditFriendly ? 1 : 0;
  refuse_given(options.eta != 0 && options.eta != eta, "ddim_eta",
               fmt::format("inversion by {} draws with {}", name_of(method), number_text(eta)));
  const bool negates = own || method == InversionMethod::kNullText;
  refuse_given(negates && !options.negative_prompt.empty(), "negative-prompt",
               fmt::format("inversion by {} has its own in that place", name_of(method)));
  if (!prompts.swaps()) {
    throw UsageError("--invert: name what the picture shows: --sprompt TEXT");
  }
  for (const auto& set : prompts.sets) {
    if (set.source == prompts.sets.front().source) continue;
    throw UsageError(
        "--invert: lines of the list have different sources, and a picture is inverted with one "
        "prompt\nGive it with --sprompt, or lines as tasks of their own ({\"prompt\": …}).");
  }
  const int64_t same = options.n_samples * options.n_iter;
  if (same > 1 && method != InversionMethod::kDdcm && !options.quiet && !options.control.sweeps()) {
    say(
        fmt::format("an inverted picture is drawn without random numbers: the {} samples will be "
                    "the same",
                    same));
  }
}

}  // namespace sd::cli
