#include "weights/leftovers.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sd {

bool may_be_ignored(const std::string& name) {
  // What is left of OpenCLIP is its last layer, which never runs, and what belongs to its pictures.
  static constexpr std::array<std::string_view, 6> kPrefixes = {
      "model_ema.",
      "loss.",
      "first_stage_model.loss.",
      "cond_stage_model.logit_scale",
      "cond_stage_model.model.",
      "cond_stage_model.transformer.to_logits."};
  static constexpr std::array<std::string_view, 16> kNames = {"v_pred",
                                                              "betas",
                                                              "alphas_cumprod",
                                                              "alphas_cumprod_prev",
                                                              "sqrt_alphas_cumprod",
                                                              "sqrt_one_minus_alphas_cumprod",
                                                              "log_one_minus_alphas_cumprod",
                                                              "sqrt_recip_alphas_cumprod",
                                                              "sqrt_recipm1_alphas_cumprod",
                                                              "posterior_variance",
                                                              "posterior_log_variance_clipped",
                                                              "posterior_mean_coef1",
                                                              "posterior_mean_coef2",
                                                              "lvlb_weights",
                                                              "logvar",
                                                              "scale_factor"};
  if (name.ends_with(".position_ids")) return true;
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return true;
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace sd
