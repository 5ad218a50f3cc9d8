#pragma once

#include <cstdint>
#include <optional>

#include "sd/core/step_share.h"

namespace sd {

/// MasaCtrl (arXiv:2304.08465): a target's self-attention looks at the source's keys and values, in
/// the decoder's layers of the two finest sizes (layers 10 to 15 of Stable Diffusion's 16).
struct MasaCtrlSettings {
  StepShare steps = {0.08, 1};  // published: from step 4 of 50
  /// With words of a mask: keys of the source count as the object's from so much of their largest
  /// attention on.
  double mask_threshold = 0.1;
};

/// Plug-and-Play (arXiv:2211.12572): a target has the source's queries and keys of self-attention
/// from the second block of the decoder's second level on (output_blocks 4 to 11), and that block's
/// residual features, in the first steps.
struct PlugAndPlaySettings {
  double attention = 0.5;  // τ_A, a share of the steps
  double features = 0.8;   // τ_f
};

/// "Reference only" of Mikubill's sd-webui-controlnet: self-attention also looks at what a noised
/// picture has there.
struct ReferenceSettings {
  /// How much of what the rows of the negative prompt find they find without the picture, so that
  /// guidance pushes towards it.
  double fidelity = 0.5;
  double weight = 1;  // the share of the layers, those of most channels first
  StepShare steps = {};
};

/// StyleAligned (arXiv:2312.02133): samples of a batch also look at its first, whose mean and
/// deviation their queries and keys take on.
struct StyleAlignedSettings {
  StepShare steps = {};
};

/// Cross-image attention (arXiv:2311.03335): a target looks at the source's keys and values in the
/// decoder's layers of the two finest sizes, with more contrast; its latents take on the source's
/// mean and deviation.
struct AppearanceSettings {
  double contrast = 1.67;           // β
  StepShare finest = {0.1, 0.9};    // steps, in layers of the latents' own size
  StepShare second = {0.1, 0.7};    // in those of half of it
  StepShare statistics = {0.2, 1};  // in which latents take on the source's statistics
  StepShare structure = {0, 0.4};   // of these steps every fifth looks at the target itself
  double guidance = 3.5;            // without classifier-free guidance; falls to 1
  static constexpr int64_t kStructureEvery = 5;
};

/// Which rows look at other rows in self-attention; at most one of these.
struct RowSharingSettings {
  std::optional<MasaCtrlSettings> masactrl = {};
  std::optional<PlugAndPlaySettings> pnp = {};
  std::optional<ReferenceSettings> reference = {};
  std::optional<StyleAlignedSettings> style_aligned = {};
  std::optional<AppearanceSettings> appearance = {};

  /// How many of them there are.
  int64_t count() const {
    return int64_t{masactrl.has_value()} + int64_t{pnp.has_value()} +
           int64_t{reference.has_value()} + int64_t{style_aligned.has_value()} +
           int64_t{appearance.has_value()};
  }
  /// Whether a target takes something from a source.
  bool needs_source() const { return masactrl || pnp || appearance; }
};

}  // namespace sd
