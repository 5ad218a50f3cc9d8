#include "sd/core/inversion_method.h"

#include <fmt/format.h>

namespace sd {

std::string_view name_of(InversionMethod method) {
  switch (method) {
    case InversionMethod::kDdim:
      return "ddim";
    case InversionMethod::kNegativePrompt:
      return "npi";
    case InversionMethod::kNullText:
      return "null-text";
    case InversionMethod::kEditFriendly:
      return "edit-friendly";
    case InversionMethod::kDdcm:
      return "ddcm";
    case InversionMethod::kDirect:
      break;
  }
  return "direct";
}

std::optional<InversionMethod> find_inversion_method(std::string_view name) {
  for (const auto method : kInversionMethods) {
    if (name_of(method) == name) return method;
  }
  return std::nullopt;
}

bool draws_by(InversionMethod stored, InversionMethod used) {
  using enum InversionMethod;
  if (stored == used) return true;
  const bool has_path =
      stored == kDdim || stored == kDirect || stored == kNegativePrompt || stored == kNullText;
  return has_path && (used == kDdim || used == kDirect || used == kNegativePrompt);
}

std::string why_not_sampled(InversionMethod method, SamplerKind sampler) {
  using enum InversionMethod;
  const auto& info = info_of(sampler);
  if (method == kDirect) {
    if (info.noise == StepNoiseKind::kNone) return {};
    return fmt::format(
        "draws random numbers, and {} inversion follows a path without\nTake ddim, plms, euler, "
        "heun, dpm2, lms, dpm++_2m or unipc.",
        name_of(method));
  }
  const auto wanted = method == kDdcm ? SamplerKind::kLcm : SamplerKind::kDdim;
  if (sampler == wanted) return {};
  return fmt::format("{} is defined for {} alone\nTake --sampler {}.", name_of(method),
                     info_of(wanted).name, info_of(wanted).name);
}

double usual_inversion_guidance(InversionMethod method) {
  constexpr double kEditFriendlyScale = 3.5, kNullTextScale = 7.5;
  if (method == InversionMethod::kEditFriendly) return kEditFriendlyScale;
  return method == InversionMethod::kNullText ? kNullTextScale : 1.0;
}

}  // namespace sd
