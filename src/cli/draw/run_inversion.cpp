#include "cli/draw/run_inversion.h"

#include <fmt/format.h>

#include <utility>

#include "cli/options/seed_rule.h"
#include "cli/shell/interrupt.h"
#include "sd/core/error.h"
#include "sd/core/model_hash.h"

namespace sd::cli {
namespace {

void check_model(const DrawPlan& plan, const LoadedModel& model) {
  const auto& file = *plan.inversion;
  if (model_sha256(model.main_file) == file.model) return;
  throw UsageError(fmt::format(
      "--inversion: {} was made with the model {}, and this one is {}\nDraw with that model, or "
      "invert the picture with this one.",
      plan.options.inversion.file->string(), file.model_name, plan.model_name));
}

InversionRequest request_of(const DrawPlan& plan, InversionMethod method, const std::string& prompt,
                            const torch::Tensor& picture, double depth) {
  const auto& options = plan.options;
  InversionRequest request;
  static_cast<PictureSettings&>(request) = options;
  request.eta = 0;  // of the drawing
  request.method = method;
  request.prompt = prompt;
  request.picture = picture;
  request.depth = depth;
  request.inversion_guidance = usual_inversion_guidance(method);
  request.sampler = options.chosen_sampler();
  request.prompt_chunks = plan.reader->chunks();
  request.embeddings = plan.embeddings.words;
  request.on_progress = [](const Progress&) { return !InterruptGuard::requested(); };
  return request;
}

/// The share of the steps that a run draws.
double depth_of(const DrawPlan& plan, const Inversion* inversion) {
  const auto& options = plan.options;
  if (inversion == nullptr) return options.input.init_img ? options.input.strength.value_or(1) : 1;
  if (inversion->steps_kept() >= options.steps) return 1;
  // Away from where rounding decides.
  return (static_cast<double>(inversion->steps_kept()) + 0.5) / static_cast<double>(options.steps);
}

Inversion from_file(const DrawPlan& plan, const LoadedModel& model) {
  check_model(plan, model);
  return inversion_of(*plan.inversion);
}

Inversion from_picture(const DrawPlan& plan, const LoadedModel& model, const RunInputs& inputs) {
  const auto request = inversion_request(plan, inputs, plan.prompts.sets.front().source.value());
  if (request.method == InversionMethod::kDdcm) return consistent_inversion(model, request);
  auto noise = inversion_noise(plan, model);
  return invert(model, request, noise).inversion;
}

}  // namespace

InversionRequest inversion_request(const DrawPlan& plan, const RunInputs& inputs,
                                   const std::string& prompt) {
  const auto& options = plan.options;
  return request_of(plan, options.inversion.method.value(), prompt, inputs.picture.value().tensor,
                    options.input.strength.value());
}

SeededNoise inversion_noise(const DrawPlan& plan, const LoadedModel& model) {
  return {plan.options.seed.value(), plan.options.rng, torch::Device(model.device)};
}

std::shared_ptr<const Inversion> run_appearance(const DrawPlan& plan, const LoadedModel& model,
                                                const RunInputs& inputs, const Inversion* source) {
  if (!inputs.appearance.defined()) return nullptr;
  const auto prompt = plan.options.sharing.appearance_prompt.value_or("");
  const auto request =
      request_of(plan, InversionMethod::kDirect, prompt, inputs.appearance, depth_of(plan, source));
  auto noise = inversion_noise(plan, model);
  return std::make_shared<const Inversion>(invert(model, request, noise).inversion);
}

std::shared_ptr<const Inversion> run_inversion(const DrawPlan& plan, const LoadedModel& model,
                                               const RunInputs& inputs) {
  const auto& options = plan.options;
  if (options.task != DrawTask::kSwap || !options.inversion.method) return nullptr;
  auto inversion = plan.inversion ? from_file(plan, model) : from_picture(plan, model, inputs);
  inversion.method = *options.inversion.method;
  inversion.proximal = options.inversion.proximal;
  inversion.proximal_norm = options.inversion.proximal_norm.value_or(ProximalNorm::kL0);
  return std::make_shared<const Inversion>(std::move(inversion));
}

}  // namespace sd::cli
