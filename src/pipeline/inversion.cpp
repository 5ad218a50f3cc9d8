#include "sd/pipeline/inversion.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <string_view>
#include <utility>

#include "diffusion/step.h"
#include "pipeline/approximations.h"
#include "pipeline/check.h"
#include "pipeline/control_run.h"
#include "pipeline/encode.h"
#include "pipeline/guard.h"
#include "pipeline/inversion_draw.h"
#include "pipeline/model_parts.h"
#include "pipeline/noise_model.h"
#include "pipeline/null_text_run.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

namespace sd {
namespace {

void refuse(InversionMethod method, std::string_view what) {
  throw UsageError(fmt::format("inversion by {}: {}", name_of(method), what));
}

void check_picture(const LoadedModel& model, const InversionRequest& request) {
  const auto& picture = request.picture;
  if (picture.dim() != 4 || picture.size(0) != 1 || picture.size(1) != 3) {
    throw UsageError(fmt::format("the picture has shape [{}], expected [1,3,H,W]",
                                 fmt::join(picture.sizes(), ", ")));
  }
  check_sides(model, picture.size(3), picture.size(2));
  if (model.config.extra() != UNetExtra::kNone) {
    throw UsageError(
        "inversion: this model is shown a picture beside the latents, and inversion is not "
        "defined for it\nTake a model that takes latents alone.");
  }
}

void check_guidance(const InversionRequest& request) {
  using enum InversionMethod;
  const auto method = request.method;
  const bool free = method == kEditFriendly || method == kNullText;
  if (!free && request.inversion_guidance != 1) {
    refuse(method,
           fmt::format("it is defined for guidance 1, not {}: with more, DDIM's steps do not lead "
                       "back\nGuide the targets when they are drawn; null-text and edit-friendly "
                       "inversion have a guidance of their own.",
                       request.inversion_guidance));
  }
}

void check_settings(const LoadedModel& model, const InversionRequest& request) {
  check_guidance(request);
  if (const auto why = why_not_sampled(request.method, request.sampler); !why.empty())
    throw UsageError(fmt::format("sampler {}: {}", info_of(request.sampler).name, why));
  if (request.eta != 0) refuse(request.method, "eta is not asked for: the method has its own");
  if (request.deepcache != 1) {
    refuse(request.method,
           "not with deepcache, whose steps go by what the ones before them computed");
  }
  if (request.controller != nullptr || request.latent_edit != nullptr)
    refuse(request.method, "controls act where the picture is drawn, not where it is inverted");
  if (request.method == InversionMethod::kNullText &&
      (!request.controls.empty() || !request.image_prompts.empty())) {
    refuse(request.method,
           "its gradients do not go through control nets and pictures that are followed\nInvert "
           "without them: drawn along it, they act in targets alone.");
  }
  if (request.sharing != nullptr || !request.guides.empty())
    refuse(request.method, "guides and rows that look at others act where the picture is drawn");
  if (request.start_latents) refuse(request.method, "it starts from the picture");
  const PromptReader reader(tokenizer_of(model, request), request.prompt_syntax, 1, 1);
  if (reader.part_weights(request.prompt).size() > 1)
    refuse(request.method, "a picture is inverted with one prompt, this has several (AND)");
}

/// The drawing whose noise levels, model and prompt the inversion has.
DrawRequest drawing_of(const InversionRequest& request) {
  DrawRequest drawing(request);
  drawing.targets = {{request.prompt}};
  // Null-text optimisation guides later, along a path of guidance 1.
  drawing.guidance_scale =
      request.method == InversionMethod::kEditFriendly ? request.inversion_guidance : 1;
  drawing.guidance_interval = {};
  drawing.concept_edits.clear();  // of targets
  drawing.init_image = request.picture;
  drawing.strength = request.depth;
  return drawing;
}

/// A picture on its way to noise.
class Way {
 public:
  Way(const LoadedModel& model, const InversionRequest& request, int64_t* calls)
      : model_(model), request_(request), drawing_(drawing_of(request)) {
    check_approximations(model, drawing_);
    plan_ = SamplingPlan::make(noise_schedule(model.config, drawing_), drawing_, request.depth);
    if (plan_.size() == 0) {
      throw UsageError(
          fmt::format("depth {} of {} steps leaves none to invert", request.depth, request.steps));
    }
    alphas_ = plan_.alphas();
    clean_ = encode_pictures(model, request.picture);
    put_part_away(model, ModelPart::kEncoder);
    report(Progress::Stage::kEncode, 0, 1);
    const auto predicts = std::make_shared<BatchNoiseModel>(
        model, drawing_, torch::Tensor(), plan_.timesteps(),
        control_run_of(model, drawing_, plan_.timesteps(), clean_), calls);
    const auto ask = [predicts](const torch::Tensor& x, double t, int64_t step) {
      return (*predicts)(x, t, step);
    };
    denoiser_.emplace(ask, guidance_of(model, drawing_), plan_.size(), self_attention_of(predicts));
    context_ = context_of(request.prompt);
    put_part_away(model, ModelPart::kText);
  }

  Inversion facts() const {
    Inversion inversion;
    inversion.method = request_.method;
    inversion.prompt = request_.prompt;
    inversion.sampler = request_.sampler;
    inversion.steps = request_.steps;
    inversion.guidance = request_.inversion_guidance;
    inversion.alphas = alphas_;
    inversion.timesteps = plan_.timesteps();
    inversion.context = context_;
    for (const auto& use : request_.controls)
      inversion.controls.push_back({use.control->main_file.stem().string(), "", "", ""});
    inversion.image_prompts.resize(request_.image_prompts.size());
    return inversion;
  }

  /// DDIM's steps the other way (arXiv:2010.02502, section 4.3): ε is predicted for the timestep
  /// that a step leads to. [S+1,C,h,w], noisiest first.
  torch::Tensor ddim_path() {
    const auto unet = use_part(model_, ModelPart::kUNet);
    std::vector<torch::Tensor> path = {clean_[0]};
    auto x = clean_;
    for (int64_t step = plan_.size() - 1; step >= 0; --step) {
      const auto eps = denoiser_->eps(x, plan_.timestep(step), step);
      x = step_towards(predict_x0(x, eps, alpha(step + 1)), eps, alpha(step), 0);
      require_finite(x, "inversion");
      path.push_back(x[0]);
      report(Progress::Stage::kSample, plan_.size() - step, plan_.size());
    }
    return at::stack(path).flip(0).cpu();
  }

  /// Edit-friendly inversion (arXiv:2304.06140, algorithm 1): latents of the path are the picture
  /// with noises of their own, and z_t = (x_{t−1} − μ_t(x_t)) / σ_t is what leads from one to the
  /// next. x_{t−1} is then computed from it, so that roundings do not add up.
  std::pair<torch::Tensor, torch::Tensor> edit_friendly(NoiseSource& noise) {
    const auto unet = use_part(model_, ModelPart::kUNet);
    const int64_t steps = plan_.size();
    auto shape = clean_.sizes().vec();
    shape[0] = steps;
    const auto drawn = noise.randn(shape).to(clean_.device());
    std::vector<torch::Tensor> path, noises;
    for (int64_t step = 0; step < steps; ++step)
      path.push_back(add_noise(clean_, drawn.narrow(0, step, 1), alpha(step)));
    path.push_back(clean_);
    for (int64_t step = 0; step < steps; ++step) {
      const auto i = static_cast<std::size_t>(step);
      const auto eps = denoiser_->eps(path[i], plan_.timestep(step), step);
      const double sigma = ddim_sigma({0, alpha(step), alpha(step + 1)}, 1);
      const auto mean =
          step_towards(predict_x0(path[i], eps, alpha(step)), eps, alpha(step + 1), sigma);
      const auto z = sigma > 0 ? (path[i + 1] - mean) / sigma : at::zeros_like(mean);
      require_finite(z, "inversion");
      path[i + 1] = mean + sigma * z;
      noises.push_back(z[0]);
      report(Progress::Stage::kSample, step + 1, steps);
    }
    for (auto& latents : path) latents = latents[0];
    return {at::stack(path).cpu(), at::stack(noises).cpu()};
  }

  /// [K,D] of a prompt.
  torch::Tensor context_of(const std::string& prompt) const {
    const BatchNetworks none;
    PromptContexts contexts(model_, drawing_, plan_.size(), none);
    contexts.add({prompt});
    return contexts.at(0)[0].to(at::kFloat).cpu();
  }

 private:
  double alpha(int64_t level) const { return alphas_[static_cast<std::size_t>(level)]; }

  void report(Progress::Stage stage, int64_t done, int64_t total) const {
    if (request_.on_progress && !request_.on_progress({stage, done, total})) throw Cancelled();
  }

  const LoadedModel& model_;
  const InversionRequest& request_;
  DrawRequest drawing_;
  SamplingPlan plan_;
  std::vector<double> alphas_;
  torch::Tensor clean_;  // [1,C,h,w]
  torch::Tensor context_;
  std::optional<GuidedDenoiser> denoiser_;
};

InversionResult invert_watched(const LoadedModel& model, const InversionRequest& request,
                               NoiseSource& noise) {
  const auto began = std::chrono::steady_clock::now();
  const c10::DeviceGuard current{torch::Device(model.device)};
  InversionResult result;
  torch::Tensor unconditional;
  {
    const c10::InferenceMode inference;
    Way way(model, request, &result.timing.unet_calls);
    result.inversion = way.facts();
    if (request.method == InversionMethod::kEditFriendly) {
      std::tie(result.inversion.path, result.inversion.noises) = way.edit_friendly(noise);
    } else {
      result.inversion.path = way.ddim_path();
    }
    if (request.method == InversionMethod::kNullText)
      unconditional = way.context_of(request.negative_prompt);
  }
  if (request.method == InversionMethod::kNullText)
    optimise_inversion(model, request, unconditional, result.inversion);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  result.timing.sample = took.count();
  return result;
}

torch::Tensor tensor_of(const InversionTensor& tensor) {
  if (tensor.empty()) return {};
  return at::tensor(tensor.values, at::TensorOptions().dtype(at::kFloat)).view(tensor.shape);
}

InversionTensor values_of(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const auto plain = tensor.to(at::kCPU, at::kFloat).contiguous();
  const auto* values = plain.const_data_ptr<float>();
  return {plain.sizes().vec(), {values, values + plain.numel()}};
}

}  // namespace

InversionResult invert(const LoadedModel& model, const InversionRequest& request,
                       NoiseSource& noise) {
  if (request.method == InversionMethod::kDdcm)
    refuse(request.method, "it needs none: the picture is edited as it is");
  check_picture(model, request);
  check_settings(model, request);
  return with_files_unchanged([&] {
    return guard_torch("inversion", [&] { return invert_watched(model, request, noise); });
  });
}

Inversion consistent_inversion(const LoadedModel& model, const InversionRequest& request) {
  check_picture(model, request);
  check_guidance(request);
  const auto drawing = drawing_of(request);
  const auto plan =
      SamplingPlan::make(noise_schedule(model.config, drawing), drawing, request.depth);
  if (plan.size() == 0) {
    throw UsageError(
        fmt::format("depth {} of {} steps leaves none to draw", request.depth, request.steps));
  }
  Inversion inversion;
  inversion.method = InversionMethod::kDdcm;
  inversion.prompt = request.prompt;
  inversion.sampler = request.sampler;
  inversion.steps = request.steps;
  inversion.alphas = plan.alphas();
  inversion.timesteps = plan.timesteps();
  const c10::InferenceMode inference;
  inversion.path = guard_torch("inversion", [&] {
    return with_files_unchanged([&] { return encode_pictures(model, request.picture).cpu(); });
  });
  return inversion;
}

Inversion inversion_of(const InversionFile& file) {
  Inversion inversion;
  static_cast<InversionFacts&>(inversion) = file;
  inversion.alphas = file.alphas;
  inversion.timesteps = file.timesteps;
  inversion.path = tensor_of(file.path);
  inversion.context = tensor_of(file.context);
  inversion.unconditional = tensor_of(file.unconditional);
  inversion.noises = tensor_of(file.noises);
  inversion.latents = tensor_of(file.latents);
  return inversion;
}

InversionFile file_of(const Inversion& inversion) {
  InversionFile file;
  static_cast<InversionFacts&>(file) = inversion;
  file.alphas = inversion.alphas;
  file.timesteps = inversion.timesteps;
  file.path = values_of(inversion.path);
  file.context = values_of(inversion.context);
  file.unconditional = values_of(inversion.unconditional);
  file.noises = values_of(inversion.noises);
  file.latents = values_of(inversion.latents);
  return file;
}

}  // namespace sd
