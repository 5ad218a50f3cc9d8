#include "sd/pipeline/null_text.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "nn/kept_memory.h"
#include "pipeline/check.h"
#include "pipeline/guard.h"
#include "pipeline/model_parts.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/diffusion/denoiser.h"
#include "sd/models/latent_diffusion.h"
#include "sd/models/unet_gradients.h"

namespace sd {
namespace {

/// Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1) for one tensor.
class Adam {
 public:
  Adam(const torch::Tensor& like, double rate)
      : mean_(at::zeros_like(like)), square_(at::zeros_like(like)), rate_(rate) {}

  torch::Tensor moved(const torch::Tensor& value, const torch::Tensor& slope) {
    constexpr double kFirst = 0.9, kSecond = 0.999, kEpsilon = 1e-8;
    ++steps_;
    mean_.lerp_(slope, 1 - kFirst);
    square_.mul_(kSecond).addcmul_(slope, slope, 1 - kSecond);
    const auto count = static_cast<double>(steps_);
    const double first = 1 - std::pow(kFirst, count), second = 1 - std::pow(kSecond, count);
    const auto deviation = square_.sqrt().div_(std::sqrt(second)).add_(kEpsilon);
    return value.addcdiv(mean_, deviation, -rate_ / first);
  }

 private:
  torch::Tensor mean_, square_;
  double rate_;
  int64_t steps_ = 0;
};

void require(bool fits, const std::string& what) {
  if (!fits) throw UsageError("null-text optimisation: " + what);
}

void check(const LoadedModel& model, const NullTextRequest& request, const NullTextState& state) {
  const auto& config = model.config;
  const auto steps = static_cast<int64_t>(request.timesteps.size());
  require(steps > 0, "there are no timesteps");
  require(request.alphas.size() == request.timesteps.size() &&
              request.alphas_prev.size() == request.timesteps.size(),
          fmt::format("{} timesteps, but noise levels of {} and {} steps", steps,
                      request.alphas.size(), request.alphas_prev.size()));
  require(
      config.extra() == UNetExtra::kNone && config.unet.time_cond_width == 0,
      "the model takes a picture or a guidance scale besides, and has no DDIM path of this kind");
  const auto& path = request.path;
  require(path.defined() && path.dim() == 4 && path.size(0) == steps + 1 &&
              path.size(1) == config.unet.in_channels,
          fmt::format("the path has shape [{}], expected [{},{},h,w]",
                      path.defined() ? fmt::format("{}", fmt::join(path.sizes(), ",")) : "",
                      steps + 1, config.unet.in_channels));
  const auto& own = request.context;
  const auto& empty = request.unconditional;
  require(own.defined() && empty.defined() && own.dim() == 3 && own.size(0) == 1 &&
              own.size(2) == config.unet.context_dim && own.sizes() == empty.sizes(),
          fmt::format("both contexts must be [1,K,{}]", config.unet.context_dim));
  require(request.inner_steps >= 0 && request.learning_rate >= 0 &&
              std::isfinite(request.learning_rate) && std::isfinite(request.guidance_scale),
          "settings are out of range");
  if (state.steps_done == 0) return;
  require(state.steps_done > 0 && state.steps_done <= steps && state.embeddings.defined() &&
              state.latents.defined() && state.embeddings.dim() == 3 &&
              state.embeddings.size(0) == state.steps_done &&
              state.embeddings.sizes().slice(1) == own.sizes().slice(1) &&
              state.latents.sizes().slice(1) == path.sizes().slice(1) && state.latents.size(0) == 1,
          "the state to go on from is of another path");
}

/// One optimisation.
class Optimisation {
 public:
  Optimisation(const LoadedModel& model, const NullTextRequest& request)
      : model_(model), request_(request) {
    const auto there = [&](const torch::Tensor& values) {
      return values.to(torch::Device(model.device), at::kFloat).clone();
    };
    path_ = there(request.path);
    context_ = there(request.context);
  }

  const torch::Tensor& path() const { return path_; }
  int64_t steps() const { return static_cast<int64_t>(request_.timesteps.size()); }

  /// The latents at which a guided DDIM step (eta 0) from x ends.
  torch::Tensor step_from(const torch::Tensor& x, const torch::Tensor& conditional,
                          const torch::Tensor& unconditional, int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const double from = request_.alphas[at], to = request_.alphas_prev[at];
    const auto eps = unconditional + request_.guidance_scale * (conditional - unconditional);
    const auto x0 = (x - std::sqrt(1 - from) * eps) / std::sqrt(from);
    return std::sqrt(to) * x0 + std::sqrt(1 - to) * eps;
  }

  torch::Tensor eps(const torch::Tensor& x, const torch::Tensor& context, int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const auto t = at::full({1}, static_cast<double>(request_.timesteps[at]), x.options());
    ForwardContext run;
    run.step = {i, steps(), static_cast<double>(request_.timesteps[at]), 0};
    const GradientChoice choice{
        .maps = {}, .output = true, .checkpoints = c10::GradMode::is_enabled() && !is_small()};
    auto made = model_.model->unet->forward_with_gradients(x, t, context, run, choice).output;
    if (model_.config.prediction != Prediction::kVelocity) return made;
    return eps_from_velocity(made, x, request_.alphas[at]);
  }

  struct Found {
    torch::Tensor embedding, latents;  // and where the step ends with it
    double loss = 0;
    int64_t inner_steps = 0;
  };
  Found find(const torch::Tensor& x, torch::Tensor embedding, int64_t i) const {
    const auto step = static_cast<double>(i);
    const auto wanted = path_.narrow(0, steps() - i - 1, 1);
    const auto conditional = without_gradient(x, context_, i);
    Adam adam(embedding, request_.learning_rate * std::max(0.0, 1 - step / 100));
    Found found;
    for (int64_t inner = 0; inner < request_.inner_steps; ++inner) {
      auto asking = embedding.detach().clone().requires_grad_();
      const auto loss = at::mse_loss(step_from(x, conditional, eps(x, asking, i), i), wanted);
      const auto slope = torch::autograd::grad({loss}, {asking}).front();
      embedding = adam.moved(embedding, slope);
      ++found.inner_steps;
      // As published: judged by the loss before the move.
      if (loss.item<double>() < request_.stop + step * request_.stop_growth) break;
    }
    require_finite(embedding, fmt::format("null-text optimisation, step {}", i + 1));
    found.latents = step_from(x, conditional, without_gradient(x, embedding, i), i);
    found.loss = at::mse_loss(found.latents, wanted).item<double>();
    found.embedding = std::move(embedding);
    return found;
  }

 private:
  /// Whether everything may be kept for the way back: computing it again takes a third of the time.
  bool is_small() const {
    constexpr int64_t kChannels = 128, kPixels = 1024;  // some 300 MB
    return model_.config.unet.model_channels <= kChannels &&
           path_.size(2) * path_.size(3) <= kPixels;
  }

  torch::Tensor without_gradient(const torch::Tensor& x, const torch::Tensor& context,
                                 int64_t i) const {
    const c10::AutoGradMode off(false);
    return eps(x, context, i);
  }

  const LoadedModel& model_;
  const NullTextRequest& request_;
  torch::Tensor path_, context_;
};

NullTextState optimise(const LoadedModel& model, const NullTextRequest& request,
                       NullTextState state,
                       const std::function<bool(const NullTextReport&)>& on_step) {
  const c10::InferenceMode off(false);
  const c10::AutoGradMode gradients(true);
  const torch::Device device(model.device);
  const c10::DeviceGuard current{device};
  const auto unet = use_part(model, ModelPart::kUNet);
  const Optimisation run(model, request);
  const bool begun = state.steps_done > 0;
  auto x =
      begun ? state.latents.to(device, at::kFloat).clone() : run.path().narrow(0, run.steps(), 1);
  auto embedding =
      (begun ? state.embeddings.narrow(0, state.steps_done - 1, 1) : request.unconditional)
          .to(device, at::kFloat)
          .clone();
  for (int64_t i = state.steps_done; i < run.steps(); ++i) {
    auto found = run.find(x, embedding, i);
    x = std::move(found.latents);
    embedding = std::move(found.embedding);
    const auto kept = embedding.cpu();
    state.embeddings = i == 0 ? kept : at::cat({state.embeddings, kept});
    state.latents = x.cpu();
    state.steps_done = i + 1;
    if (on_step && !on_step({i, run.steps(), found.inner_steps, found.loss, state})) {
      throw Cancelled();
    }
  }
  return state;
}

}  // namespace

NullTextState optimise_null_text(const LoadedModel& model, const NullTextRequest& request,
                                 NullTextState state,
                                 const std::function<bool(const NullTextReport&)>& on_step) {
  check(model, request, state);
  return with_files_unchanged([&] {
    return guard_torch("null-text optimisation",
                       [&] { return optimise(model, request, std::move(state), on_step); });
  });
}

}  // namespace sd
