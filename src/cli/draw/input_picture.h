#pragma once

#include <torch/types.h>

#include <functional>
#include <optional>
#include <string>

#include "cli/options/draw_options.h"
#include "sd/image/fit.h"
#include "sd/image/image.h"

namespace sd::cli {

/// What `--init-img` and `--init-mask` come to.
struct InputPicture {
  Image picture;              // RGB, as large as what is drawn
  torch::Tensor tensor;       // [1,3,H,W] in [-1,1]
  std::optional<Image> mask;  // grey, white is drawn anew; blurred and inverted as asked
  torch::Tensor latent_mask;  // [1,1,h,w] in [0,1]; undefined without a mask
  torch::Tensor pixel_mask;   // [1,1,H,W], likewise

  /// Puts the original's pixels back where the mask is black.
  Image paste(const Image& drawn) const;
};

/// Reads and resizes (Lanczos) the input; `factor` pixels a latent. Says through `say` what was
/// resized that one might not expect. Throws IoError, UsageError.
InputPicture read_input(const PictureInput& input, std::optional<int64_t> width,
                        std::optional<int64_t> height, int64_t factor,
                        const std::function<void(const std::string&)>& say);

/// A mask file (`--blend-mask`) as latents [1,1,h,w] in [0,1] for pictures of `size`. Says through
/// `say` what of it was taken that one might not expect.
torch::Tensor read_latent_mask(const std::filesystem::path& path, Size size, int64_t factor,
                               const std::function<void(const std::string&)>& say);

}  // namespace sd::cli
