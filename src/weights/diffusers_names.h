#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// A diffusers key in CompVis naming.
struct CompvisName {
  std::string name;
  bool as_convolution = false;  // the file has a linear layer where CompVis has a 1x1 convolution
};

/// Keys of a diffusers UNet2DConditionModel and AutoencoderKL in the names of the original
/// checkpoints, where a level's blocks are counted through. Keys that have no counterpart keep
/// their name under the part's prefix.
class DiffusersNames {
 public:
  /// `unet_keys` and `vae_keys` tell how many blocks and levels there are, and which levels have
  /// attention.
  DiffusersNames(const std::vector<std::string>& unet_keys,
                 const std::vector<std::string>& vae_keys);

  CompvisName unet(std::string_view key) const;
  CompvisName vae(std::string_view key) const;

 private:
  std::optional<std::string> unet_block(std::string_view key) const;

  int blocks_per_level_ = 0;  // residual blocks of the UNet's way down
  std::set<int> up_levels_with_attention_;
  int vae_levels_ = 0;
};

}  // namespace sd
