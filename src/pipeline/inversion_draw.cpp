#include "pipeline/inversion_draw.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "pipeline/check.h"
#include "pipeline/prompt_contexts.h"
#include "sd/core/error.h"
#include "sd/pipeline/draw_acts.h"

namespace sd {
namespace {

/// A strength of which int(strength · steps) is `count`, away from where rounding decides.
double strength_of(int64_t count, int64_t steps) {
  if (count >= steps) return 1;
  return (static_cast<double>(count) + 0.5) / static_cast<double>(steps);
}

void forbid(bool given, std::string_view what, const Inversion& inversion, std::string_view why) {
  if (!given) return;
  throw UsageError(
      fmt::format("{}: not with an inversion by {}: {}", what, name_of(inversion.method), why));
}

void check_source(const DrawRequest& request, const Inversion& inversion) {
  if (request.source.empty()) {
    throw UsageError("an inversion is the source of a swap: give the source's prompt too");
  }
  for (const auto& source : request.source) {
    if (source == inversion.prompt) continue;
    throw UsageError(
        fmt::format("the picture was inverted with the prompt '{}', and the source's is '{}'",
                    inversion.prompt, source));
  }
}

void check_prompts(const LoadedModel& model, const DrawRequest& request,
                   const Inversion& inversion) {
  using enum InversionMethod;
  const bool own = inversion.method == kNegativePrompt || inversion.method == kNullText;
  const bool negative = !request.negative_prompt.empty() || !request.negative_prompts.empty();
  forbid(own && negative, "negative prompt", inversion, "the method has its own in that place");
  const PromptReader reader(tokenizer_of(model, request), request.prompt_syntax, 1, 1);
  forbid(reader.part_weights(inversion.prompt).size() > 1, "prompts with AND", inversion,
         "a picture is inverted with one prompt");
}

/// What the source was inverted with, its path needs again; what it was inverted without acts in
/// targets alone.
void check_count(std::size_t kept, std::size_t given, std::string_view what,
                 const Inversion& inversion) {
  if (inversion.method == InversionMethod::kDirect || kept == 0 || kept == given) return;
  throw UsageError(
      fmt::format("the picture was inverted with {} {}, and this drawing has {}: by {} the source "
                  "would not become the picture\nDraw with the same, by direct inversion, or "
                  "invert the picture again.",
                  kept, what, given, name_of(inversion.method)));
}

void check_additions(const DrawRequest& request, const Inversion& inversion) {
  check_count(inversion.controls.size(), request.controls.size(), "control nets", inversion);
  check_count(inversion.image_prompts.size(), request.image_prompts.size(),
              "pictures that are followed", inversion);
  forbid(inversion.method != InversionMethod::kDirect && !request.networks.empty(), "LoRAs",
         inversion,
         "the path was made without it, and the source would not become the picture; direct "
         "inversion takes it");
}

void check_request(const LoadedModel& model, const DrawRequest& request) {
  const auto& inversion = *request.inversion;
  if (inversion.method == InversionMethod::kNullText && inversion.latents.defined()) {
    throw UsageError(
        fmt::format("null-text optimisation stopped after {} of {} steps\nGo on with it: sd invert "
                    "… --resume.",
                    inversion.unconditional.size(0), inversion.steps_kept()));
  }
  check_source(request, inversion);
  check_prompts(model, request, inversion);
  check_additions(request, inversion);
  constexpr std::string_view kHeld = "it holds the picture and where to start";
  forbid(request.init_image.has_value(), "input picture", inversion, kHeld);
  forbid(request.start_latents.has_value(), "start latents", inversion, kHeld);
  forbid(request.strength.has_value(), "strength", inversion, "its depth was decided when made");
  forbid(request.mask.has_value(), "mask", inversion,
         "a local blend keeps the source outside of one");
  const double eta = inversion.method == InversionMethod::kEditFriendly ? 1 : 0;
  forbid(request.eta != 0 && request.eta != eta, "eta", inversion,
         eta == 1 ? "it draws with eta 1" : "it draws with eta 0");
  if (model.config.extra() != UNetExtra::kNone) {
    throw UsageError(
        "inversion: this model is shown a picture beside the latents, and inversion is not "
        "defined for it\nTake a model that takes latents alone.");
  }
  if (const auto why = why_not_sampled(inversion.method, request.sampler); !why.empty())
    throw UsageError(fmt::format("sampler {}: {}", info_of(request.sampler).name, why));
}

void check_size(const Inversion& inversion, const std::vector<int64_t>& expected) {
  if (inversion.path.dim() == 4 && inversion.path.sizes().slice(1) == at::IntArrayRef(expected))
    return;
  throw UsageError(
      fmt::format("the inversion is of latents [{}], the drawing has [{}]\nDraw in the size of the "
                  "picture that "
                  "was inverted, with the model that it was inverted with.",
                  fmt::join(inversion.path.sizes().slice(1), ", "), fmt::join(expected, ", ")));
}

/// ᾱ that are the same but for how they were computed.
bool same_level(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(a, b) + 1e-15; }

void check_levels(const Inversion& inversion, const SamplingPlan& plan, int64_t steps) {
  const auto levels = plan.alphas();
  bool same = levels.size() == inversion.alphas.size();
  for (std::size_t i = 0; same && i < levels.size(); ++i)
    same = same_level(levels[i], inversion.alphas[i]);
  if (same) return;
  throw UsageError(fmt::format(
      "the picture was inverted along {} of {} steps of {}, and this drawing has {} of {} steps at "
      "other noise levels\nDraw with the steps, the sampler and the schedule of the inversion, or "
      "invert the picture again.",
      inversion.steps_kept(), inversion.steps, info_of(inversion.sampler).name, plan.size(),
      steps));
}

/// Weights in half precision read a prompt a little otherwise; another prompt, syntax or encoder
/// differs by more.
constexpr double kSameContext = 0.05;

void check_context(const LoadedModel& model, const DrawRequest& request, int64_t num_steps) {
  const auto& inversion = *request.inversion;
  if (!inversion.context.defined() || request.noise_only) return;
  const BatchNetworks none(nullptr, {}, 0);
  PromptContexts contexts(model, request, num_steps, none);
  contexts.add({inversion.prompt});
  const auto found = contexts.at(0)[0].to(at::kFloat).cpu();
  const auto tokens = std::min(found.size(0), inversion.context.size(0));
  const bool wide = found.size(1) == inversion.context.size(1);
  const auto kept = inversion.context.narrow(0, 0, tokens);
  if (wide && (found.narrow(0, 0, tokens) - kept).abs().max().item<double>() <=
                  kSameContext * kept.abs().max().item<double>())
    return;
  throw UsageError(
      "the inversion's prompt means something else here than where the picture was inverted\nDraw "
      "with the same prompt syntax, clip skip, text encoder, LoRAs and learnt words, or invert the "
      "picture again.");
}

}  // namespace

torch::Tensor in_levels_of(const SamplingPlan& plan, const Inversion& inversion,
                           torch::Device device) {
  std::vector<torch::Tensor> levels;
  for (int64_t i = 0; i < inversion.path.size(0); ++i)
    levels.push_back(plan.at_level(i, inversion.path[i]).unsqueeze(0));
  return at::cat(levels).to(device);
}

DrawRequest along_inversion(const LoadedModel& model, const DrawRequest& request) {
  check_request(model, request);
  auto along = request;
  const auto& inversion = *request.inversion;
  if (inversion.method == InversionMethod::kEditFriendly) along.eta = 1;
  along.strength = strength_of(inversion.steps_kept(), request.steps);
  const int64_t factor = model.config.vae.factor();
  along.height = request.height == 0 ? factor * inversion.path.size(2) : request.height;
  along.width = request.width == 0 ? factor * inversion.path.size(3) : request.width;
  return along;
}

Start start_along(const LoadedModel& model, const DrawRequest& request, const BatchRows& rows,
                  NoiseSource& noise) {
  const auto& inversion = *request.inversion;
  const int64_t factor = model.config.vae.factor();
  const std::vector<int64_t> shape = {model.config.latent_channels(), request.height / factor,
                                      request.width / factor};
  check_size(inversion, shape);
  require_finite(inversion.path, "the inversion's path");
  Start start;
  start.plan = SamplingPlan::make(noise_schedule(model.config, request), request, request.strength);
  check_levels(inversion, start.plan, request.steps);
  check_context(model, request, start.plan.size());
  const auto path = inversion.path.to(torch::Device(model.device));
  std::vector<int64_t> one_a_sample = shape;
  one_a_sample.insert(one_a_sample.begin(), rows.samples);
  start.x0 = path[-1].expand(one_a_sample);
  const auto begin = inversion.method == InversionMethod::kDdcm
                         ? start.plan.from_picture(start.x0, noise.randn(one_a_sample))
                         : start.plan.at_level(0, path[0].expand(one_a_sample));
  start.latents = rows.spread(begin);
  return start;
}

std::optional<double> source_scale(const DrawRequest& request) {
  using enum InversionMethod;
  if (!request.inversion) return std::nullopt;
  const auto method = request.inversion->method;
  if (method == kNullText || method == kEditFriendly) return request.inversion->guidance;
  if (method == kDdcm) return 1.0;
  return std::nullopt;
}

bool negates_source(const DrawRequest& request) {
  return request.inversion && request.inversion->method == InversionMethod::kNegativePrompt;
}

namespace {

std::vector<bool> all_but_source(const DrawRequest& request,
                                 const std::vector<InversionAddition>& kept) {
  const auto rows = BatchRows::of(request);
  std::vector<bool> acting(static_cast<std::size_t>(rows.target_rows()), true);
  acting.resize(static_cast<std::size_t>(rows.total()), !kept.empty());
  return acting;
}

bool follows_its_model(const DrawRequest& request) {
  return request.inversion && request.inversion->method != InversionMethod::kDirect;
}

}  // namespace

std::vector<bool> rows_with_controls(const DrawRequest& request) {
  if (!follows_its_model(request)) return {};
  return all_but_source(request, request.inversion->controls);
}

std::vector<bool> rows_with_image_prompts(const DrawRequest& request) {
  if (!follows_its_model(request)) return {};
  return all_but_source(request, request.inversion->image_prompts);
}

SourcePath::SourcePath(const Inversion& inversion, const SamplingPlan& plan, torch::Device device)
    : path_(in_levels_of(plan, inversion, device)) {}

torch::Tensor SourcePath::edit(torch::Tensor x, const StepInfo& step,
                               const std::vector<RowGroup>& rows) {
  const auto source = std::ranges::find(rows, RowGroup::Branch::kSource, &RowGroup::branch);
  if (source == rows.end()) return x;
  const auto& end = path_[step.step + 1];
  for (const auto& group : rows) {
    if (group.branch == RowGroup::Branch::kSource) continue;
    for (int64_t sample = 0; sample < group.count; ++sample) {
      const auto target = x[group.begin + sample];
      if (target.equal(x[source->begin + sample])) target.copy_(end);
    }
  }
  x.narrow(0, source->begin, source->count).copy_(end);
  return x;
}

PathWatch::PathWatch(const Inversion& inversion, const SamplingPlan& plan, torch::Device device,
                     std::shared_ptr<DrawActs> acts)
    : path_(in_levels_of(plan, inversion, device)), acts_(std::move(acts)) {}

torch::Tensor PathWatch::edit(torch::Tensor x, const StepInfo& step,
                              const std::vector<RowGroup>& rows) {
  const auto& known = path_[step.step + 1];
  for (const auto& group : rows) {
    if (group.branch != RowGroup::Branch::kSource) continue;
    const auto own = x.narrow(0, group.begin, group.count);
    const auto length = known.norm().item<double>() * std::sqrt(static_cast<double>(group.count));
    if (length > 0) acts_->path.note(step, (own - known).norm().item<double>() / length);
  }
  return x;
}

StoredNoises::StoredNoises(const Inversion& inversion, torch::Device device)
    : noises_(inversion.noises.to(device)) {}

torch::Tensor StoredNoises::randn(at::IntArrayRef shape) { return noises_[next_++].expand(shape); }

torch::Tensor VirtualInversion::eps(const torch::Tensor& x, double t, int64_t step) {
  const auto predicted = model_.eps(x, t, step);
  const double alpha = alpha_(t);
  const auto source = x.narrow(0, rows_.target_rows(), rows_.samples);
  const auto known = (source - std::sqrt(alpha) * clean_) / std::sqrt(1 - alpha);
  const auto of_source = predicted.narrow(0, rows_.target_rows(), rows_.samples);
  // In this order a row that predicts what the source does gets the source's noise to the bit.
  return rows_.spread(known) + (predicted - rows_.spread(of_source));
}

AlongInversion::AlongInversion(const LoadedModel& model, const DrawRequest& request,
                               const Start& start, const BatchRows& rows)
    : rows_(rows) {
  if (!request.inversion) return;
  const auto& inversion = *request.inversion;
  const torch::Device device(model.device);
  const bool has_path = inversion.method != InversionMethod::kDdcm;
  if (has_path && request.acts && request.acts->measures)
    watch_.emplace(inversion, start.plan, device, request.acts);
  if (inversion.method == InversionMethod::kDirect) path_.emplace(inversion, start.plan, device);
  if (inversion.method == InversionMethod::kEditFriendly) noises_.emplace(inversion, device);
  if (inversion.method != InversionMethod::kDdcm) return;
  clean_ = inversion.picture_latents().to(device);
  alpha_ = [table = SigmaTable(noise_schedule(model.config, request))](double t) {
    return table.alpha(t);
  };
}

LatentEdits AlongInversion::edits(const DrawRequest& request) {
  LatentEdits all;
  if (watch_) all.push_back(&*watch_);
  if (path_) all.push_back(&*path_);
  if (request.latent_edit != nullptr) all.push_back(request.latent_edit);
  return all;
}

NoiseSource& AlongInversion::noise(NoiseSource& drawn) { return noises_ ? *noises_ : drawn; }

Denoiser& AlongInversion::around(Denoiser& denoiser) {
  if (!clean_.defined()) return denoiser;
  return consistent_.emplace(denoiser, alpha_, clean_, rows_);
}

}  // namespace sd
