#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sd/core/model_config.h"

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
  /// For a model of these sizes.
  explicit DiffusersNames(const ModelConfig& config);

  CompvisName unet(std::string_view key) const;
  CompvisName vae(std::string_view key) const;

 private:
  std::optional<std::string> unet_block(std::string_view key) const;

  int blocks_per_level_ = 0;  // residual blocks of the UNet's way down
  std::set<int> up_levels_with_attention_;
  int vae_levels_ = 0;
};

/// Where a tensor by its CompVis name lies in a diffusers folder.
struct DiffusersName {
  std::string part;  // "unet", "vae", "text_encoder"
  std::string key;
  bool from_convolution =
      false;  // CompVis has a 1x1 convolution where diffusers has a linear layer
};

/// The way back, made of the same tables: the prefix of every block a model of these sizes has goes
/// through DiffusersNames, and what follows it through the tables from right to left.
class DiffusersKeys {
 public:
  explicit DiffusersKeys(const ModelConfig& config);

  /// Nothing for a name that no part of a folder has a place for.
  std::optional<DiffusersName> of(std::string_view name) const;

 private:
  enum class Leaf { kNone, kUNetResidual, kVaeResidual, kVaeAttention, kVaeTop };
  struct Block {
    std::string part;
    std::string prefix;
    Leaf leaf = Leaf::kNone;
  };
  void add_unet(const DiffusersNames& names, const UNetConfig& unet);
  void add_vae(const DiffusersNames& names, const VaeConfig& vae);

  std::unordered_map<std::string, Block> blocks_;  // by the CompVis prefix, with its last dot
};

}  // namespace sd
