#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "cli/draw/start_latents.h"
#include "cli/plan/draw_plan.h"
#include "sd/image/image.h"

namespace sd::cli {

/// What `--init-img` and `--init-mask` come to.
struct InputPicture {
  Image picture;              // RGB, as large as what is drawn
  torch::Tensor tensor;       // [1,3,H,W] in [-1,1]
  std::optional<Image> mask;  // grey, white is drawn anew, as pixels are pasted by it
  torch::Tensor latent_mask;  // [1,1,h,w] in [0,1]; undefined without a mask
  torch::Tensor pixel_mask;   // [1,1,H,W], likewise
};

/// `--edit-mask` of a swap without a picture to start from.
struct SwapMask {
  Image mask;             // grey, white may change, as pixels are pasted by it
  torch::Tensor latents;  // [1,1,h,w] in [0,1]
};

/// What a control net is shown.
struct ControlPicture {
  torch::Tensor picture;  // [1,3,H,W] in [0,1]
  torch::Tensor hidden;   // [1,1,H,W], true where an inpainting net sees nothing; may be undefined
};

/// What a run is given in files, read once before its model is loaded.
struct RunInputs {
  std::optional<InputPicture> picture;
  std::optional<torch::Tensor> blend_mask;  // [1,1,h,w] in [0,1]
  std::optional<SwapMask> swap_mask;
  std::vector<torch::Tensor> region_maps;  // edit_masks.h; empty: no regions
  std::vector<Image> followed;             // pictures of --ip-adapter, in their order
  std::optional<StartLatents> start;       // what its batches start from; cells have their own
  torch::Tensor reference;                 // [1,3,H,W] in [-1,1]; undefined without one
  torch::Tensor appearance;                // of --appearance-from, as reference
  torch::Tensor appearance_object, appearance_onto;  // [1,1,h,w] in [0,1]; undefined without
  std::vector<ControlPicture> controls;              // of the control nets, in their order
};

/// Reads and resizes (Lanczos) them to the plan's size. Says through `say` what of a mask was taken
/// that one might not expect. Throws IoError, UsageError.
RunInputs read_inputs(const DrawPlan& plan, const Say& say);

/// Channels, height and width of the plan's latents.
std::array<int64_t, 3> latent_shape(const DrawPlan& plan);

}  // namespace sd::cli
