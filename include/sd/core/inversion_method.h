#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sd/core/sampler_table.h"

namespace sd {

/// Ways to edit a picture that was not drawn from noise.
enum class InversionMethod {
  kDdim,            // DDIM backwards (arXiv:2010.02502, section 4.3), nothing else
  kDirect,          // Direct inversion (PnP inversion, arXiv:2310.01506)
  kNegativePrompt,  // negative-prompt inversion (arXiv:2305.16807), proximal guidance (2306.05414)
  kNullText,        // null-text inversion (arXiv:2211.09794)
  kEditFriendly,    // edit-friendly DDPM inversion (arXiv:2304.06140)
  kDdcm,            // denoising diffusion consistent models: no inversion (InfEdit, 2312.04965)
};

inline constexpr std::array kInversionMethods = {
    InversionMethod::kDirect,   InversionMethod::kDdim,         InversionMethod::kNegativePrompt,
    InversionMethod::kNullText, InversionMethod::kEditFriendly, InversionMethod::kDdcm};

/// As --invert takes it: "direct", "ddim", "npi", "null-text", "edit-friendly", "ddcm".
std::string_view name_of(InversionMethod method);
std::optional<InversionMethod> find_inversion_method(std::string_view name);

/// Whether what was kept for `stored` draws by `used` as well: methods that follow DDIM's path
/// share it, and null-text's file has it too.
bool draws_by(InversionMethod stored, InversionMethod used);

/// Why `method` cannot draw with `sampler`, in words that follow "--sampler euler: "; empty where
/// it can. Direct inversion asks for a sampler that draws no random numbers, DDCM for LCM's, all
/// others for DDIM.
std::string why_not_sampled(InversionMethod method, SamplerKind sampler);

/// The scale of guidance under which the picture is inverted, where none is asked for: 3.5 for
/// edit-friendly inversion, 7.5 for null-text optimisation, as published, else 1.
double usual_inversion_guidance(InversionMethod method);

/// How much of each difference between prompts proximal guidance drops, as published for
/// negative-prompt inversion: the quantile of its absolute values.
inline constexpr double kDefaultProximal = 0.7;

/// What proximal guidance does to differences that are larger than that quantile: with the L0 norm
/// they stay, with the L1 norm each is made smaller by the quantile (arXiv:2306.05414, section 3).
enum class ProximalNorm { kL0, kL1 };

}  // namespace sd
