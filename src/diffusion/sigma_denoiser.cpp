#include <cmath>

#include "sd/diffusion/sigma_samplers.h"

namespace sd {
namespace {

// Above this, which only schedules with zero terminal SNR reach, float32 keeps too little of D
// beside σ·ε.
constexpr double kMostInFloat = 1000;

}  // namespace

torch::Tensor EpsSigmaDenoiser::denoised(const torch::Tensor& x, double sigma, int64_t step) {
  if (sigma > kMostInFloat) {
    const auto exact = x.to(at::kDouble);
    const auto eps = model_.eps(exact / std::sqrt(1 + sigma * sigma), table_.timestep(sigma), step);
    return (exact - sigma * eps).to(x.scalar_type());
  }
  const auto eps = model_.eps(x / std::sqrt(1 + sigma * sigma), table_.timestep(sigma), step);
  return x - sigma * eps;
}

SigmaSampler sigma_sampler(SamplerKind kind) {
  switch (kind) {
    case SamplerKind::kDdim:
    case SamplerKind::kPlms:
      return nullptr;
    case SamplerKind::kEuler:
      return sample_euler;
    case SamplerKind::kEulerAncestral:
      return sample_euler_ancestral;
    case SamplerKind::kHeun:
      return sample_heun;
    case SamplerKind::kDpm2:
      return sample_dpm2;
    case SamplerKind::kDpm2Ancestral:
      return sample_dpm2_ancestral;
    case SamplerKind::kLms:
      return sample_lms;
    case SamplerKind::kDpmpp2sAncestral:
      return sample_dpmpp_2s_ancestral;
    case SamplerKind::kDpmpp2m:
      return sample_dpmpp_2m;
    case SamplerKind::kDpmppSde:
      return sample_dpmpp_sde;
    case SamplerKind::kDpmpp2mSde:
      return sample_dpmpp_2m_sde;
    case SamplerKind::kDpmpp3mSde:
      return sample_dpmpp_3m_sde;
    case SamplerKind::kUniPc:
      return sample_unipc;
    case SamplerKind::kLcm:
      return sample_lcm;
    case SamplerKind::kTcd:
      return sample_tcd;
  }
  return nullptr;
}

}  // namespace sd
