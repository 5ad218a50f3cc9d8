#pragma once

#include <torch/types.h>

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nn/layer_additions.h"
#include "sd/core/model_config.h"
#include "sd/nn/layers.h"
#include "sd/pipeline/row_networks.h"
#include "sd/weights/tensor_source.h"

namespace torch::nn {
class Module;
}

namespace sd {

/// The layers of a loaded model as places for LoRAs that are not merged into its weights. Kept with
/// the model; requests may share it.
class NetworkLayers {
 public:
  /// `tensors` are the model's; additions are held in `dtype` on `device`.
  NetworkLayers(torch::nn::Module& model, std::shared_ptr<const TensorSource> tensors,
                ModelConfig config, torch::Device device, torch::Dtype dtype);

  /// What `networks` add; LayerAddition::source is their number. What was prepared for others is
  /// dropped. Throws UsageError for one that changes more than products (norms, embeddings), and as
  /// bind_network.
  std::shared_ptr<const LayerAdditions> additions(const std::vector<RowNetwork>& networks);
  /// Whether they concern what the UNet makes of the time.
  bool touch_time(const LayerAdditions& additions) const;

 private:
  /// What one network does to one layer, before it is weighed.
  struct Piece {
    const LayerImpl* layer;
    std::string parameter;
    LayerAddition addition;
  };
  struct Prepared {
    std::shared_ptr<const Network> network;
    std::vector<Piece> pieces;
  };
  const Prepared& prepare(const std::shared_ptr<const Network>& network);
  Piece piece(const BoundNetwork& bound, const std::string& parameter) const;

  /// By a parameter's name; null for layers that do more than multiply.
  std::unordered_map<std::string, const LayerImpl*> layers_;
  std::shared_ptr<const TensorSource> tensors_;
  ModelConfig config_;
  torch::Device device_;
  torch::Dtype dtype_;
  std::mutex preparing_;
  std::list<Prepared> prepared_;
};

/// The LoRAs of a batch, which its text encoding and its steps ask what they are to add.
class BatchNetworks {
 public:
  /// `rows` are those of one pass. `networks` must fit them (UsageError); `layers` may be null
  /// where there are none.
  BatchNetworks(NetworkLayers* layers, std::vector<RowNetwork> networks, int64_t rows);
  /// None.
  BatchNetworks() = default;

  bool empty() const { return networks_.empty(); }
  /// Tells rows with other LoRAs apart: "101".
  std::string key_of(int64_t row) const;
  /// The weights for a prompt of this row, as AddingToLayers takes them; empty where none acts.
  std::vector<std::vector<double>> of_prompt(int64_t row) const;
  /// The same of `count` rows of a step, the last ones of its passes.
  std::vector<std::vector<double>> of_step(int64_t step, int64_t num_steps, int64_t count) const;
  /// Whether rows of a step have different ones.
  bool divide_rows() const;
  /// Whether they act on what the UNet makes of the time.
  bool touch_time() const { return touch_time_; }
  const LayerAdditions& additions() const { return *additions_; }

 private:
  bool has(std::size_t network, int64_t row) const;

  std::vector<RowNetwork> networks_;
  int64_t rows_ = 0;
  std::shared_ptr<const LayerAdditions> additions_;
  bool touch_time_ = false;
};

}  // namespace sd
