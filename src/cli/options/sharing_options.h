#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/row_sharing_settings.h"

namespace sd::cli {

/// Pictures that look at other pictures in self-attention.
struct SharingOptions {
  bool masactrl = false;
  StepShare masactrl_steps = MasaCtrlSettings().steps;
  std::vector<std::string> masactrl_mask;  // words
  std::optional<int64_t> masactrl_res;     // latent pixels of 64, as blend_res; absent: 16
  double masactrl_threshold = MasaCtrlSettings().mask_threshold;
  bool pnp = false;
  double pnp_attention = PlugAndPlaySettings().attention;
  double pnp_features = PlugAndPlaySettings().features;
  std::optional<std::filesystem::path> reference;
  double reference_fidelity = ReferenceSettings().fidelity;
  double reference_weight = ReferenceSettings().weight;
  StepShare reference_steps = ReferenceSettings().steps;
  bool style_aligned = false;
  StepShare style_steps = StyleAlignedSettings().steps;
  bool appearance = false;
  double appearance_contrast = AppearanceSettings().contrast;
  double appearance_guidance = AppearanceSettings().guidance;
  std::optional<std::filesystem::path> appearance_from;  // absent: the source
  std::optional<std::string> appearance_prompt;          // what that shows; absent: nothing
  std::optional<std::filesystem::path> appearance_object, appearance_onto;  // masks

  /// As the library takes them.
  RowSharingSettings settings() const {
    RowSharingSettings made;
    if (masactrl) made.masactrl = {masactrl_steps, masactrl_threshold};
    if (pnp) made.pnp = {pnp_attention, pnp_features};
    if (reference) made.reference = {reference_fidelity, reference_weight, reference_steps};
    if (style_aligned) made.style_aligned = {style_steps};
    if (appearance) {
      made.appearance =
          AppearanceSettings{.contrast = appearance_contrast, .guidance = appearance_guidance};
    }
    return made;
  }
};

}  // namespace sd::cli
