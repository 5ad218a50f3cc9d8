#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/networks/network.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// How many of a network's modules a model has.
struct NetworkMatch {
  int64_t modules = 0;                 // of the file
  int64_t matched = 0;                 // that the model has
  int64_t text_encoder = 0;            // matched, in the text encoder
  int64_t unet = 0;                    // matched, in the UNet
  std::vector<std::string> unmatched;  // modules and keys without a place, in the file's spelling
};

/// Values with their shape, in C order.
struct NetworkValues {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// A LoRA's factors for one weight W [out,in] or [out,in,kh,kw], as layers apply them beside it:
/// W x + scale · up(mid(down(x))).
struct NetworkFactors {
  NetworkValues down;                // [r,in] or [r,in,kh,kw]; with mid [r,in,1,1]
  std::optional<NetworkValues> mid;  // [r,r,kh,kw]: Tucker's; it has W's stride and padding
  NetworkValues up;                  // [out,r] or [out,r,1,1]
  double scale = 1;                  // alpha / r, or what the file says
};

/// A network's modules by the names of a model's parameters.
class BoundNetwork {
 public:
  virtual ~BoundNetwork() = default;
  virtual const Network& network() const = 0;
  virtual const NetworkMatch& match() const = 0;
  /// Parameters that it changes, by their CompVis names, in the model's order.
  virtual const std::vector<std::string>& parameters() const = 0;
  virtual bool touches(std::string_view parameter) const = 0;
  /// The factors of a plain LoRA (Tucker's too); nothing for other kinds, for biases, and for
  /// parameters that are not touched. Throws CheckpointError as `merge` does.
  virtual std::optional<NetworkFactors> factors(std::string_view parameter) const = 0;
  /// Changes the values of a parameter, in C order: W ← W + multiplier · (W' − W). Throws
  /// CheckpointError naming file, key, what was expected and what was found.
  virtual void merge(std::string_view parameter, std::span<float> values,
                     double multiplier) const = 0;
};

/// Finds each module's place in a model (`model` by CompVis names). Throws CheckpointError where
/// none has one, or where one has another shape than the model's.
std::shared_ptr<const BoundNetwork> bind_network(std::shared_ptr<const Network> network,
                                                 const TensorSource& model,
                                                 const ModelConfig& config);

/// The same for a look at how they fit.
NetworkMatch match_network(const std::shared_ptr<const Network>& network, const TensorSource& model,
                           const ModelConfig& config);

/// "264 of 264 modules, rank 16, text encoder and UNet"
std::string match_text(const NetworkInfo& info, const NetworkMatch& match);

/// A network and how strongly it counts.
struct AppliedNetwork {
  std::shared_ptr<const Network> network;
  double text_encoder = 1;  // multipliers
  double unet = 1;
  /// Factors of the multipliers, in the order BASE (the text encoder), IN00 … IN11, M00, OUT00 …
  /// OUT11; empty: all 1. What belongs to no block (time embedding, last layers) has 1.
  std::vector<double> blocks = {};

  /// Of a parameter by its CompVis name. Throws UsageError for another number of blocks than 26.
  double multiplier_for(std::string_view parameter) const;
};

inline constexpr std::size_t kNetworkBlocks = 26;

/// The model with networks merged into it, one after the other, in float32. Touched parameters are
/// F32 and are made anew for each `at`, owned by the view; all others, and those whose multiplier
/// is 0, are the model's own. Throws as bind_network.
std::unique_ptr<TensorSource> with_networks(std::unique_ptr<TensorSource> model,
                                            const ModelConfig& config,
                                            const std::vector<AppliedNetwork>& networks);

}  // namespace sd
