#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// Keys and values of one row of a batch.
struct RowKeys {
  int64_t keys = 0;
  int64_t values = 0;  // the row whose values go with them
  bool noted = false;  // of that row in the call that noted its keys (KeyNotes), not in this one
};

/// One softmax over a row's keys.
struct Look {
  /// [K] float32, added to the logits of each key; −∞: the key is not seen. Undefined: nothing is
  /// added. Where no key is seen, all are.
  torch::Tensor bias = {};
  /// [Q] float32, how much of what each query finds counts; undefined: `weight` for all.
  torch::Tensor weights = {};
  double weight = 1;
};

/// What the self-attention of one row looks at.
struct SharedRow {
  int64_t row = 0;                     // of the batch
  int64_t queries = 0;                 // the row whose queries it has
  std::vector<RowKeys> keys;           // what it looks at, one behind the other: K keys
  std::vector<Look> looks = {Look{}};  // their sum is what it finds; at least one
  /// The row whose queries and keys give this one's queries and its own keys their mean and
  /// standard deviation over pixels (AdaIN, arXiv:1703.06868, eq. 8), channel by channel.
  std::optional<int64_t> style = {};
  /// β of clip(β (P − 1/K) + 1/K, 0, 1), which takes the place of the probabilities P
  /// (arXiv:2311.03335, section 3.2); 1: they stay.
  double contrast = 1;
};

/// Keys and values of all rows of a call, layer by layer, for a later call to look at.
class KeyNotes {
 public:
  struct Layer {
    torch::Tensor keys, values;  // [R,T,heads·d]
  };
  void note(const void* layer, torch::Tensor keys, torch::Tensor values) {
    layers_[layer] = {std::move(keys), std::move(values)};
  }
  /// Null where the layer noted none.
  const Layer* find(const void* layer) const {
    const auto found = layers_.find(layer);
    return found == layers_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<const void*, Layer> layers_;
};

/// Says which rows of a call look at other rows than themselves, and in which layers.
class RowSharer {
 public:
  virtual ~RowSharer() = default;
  /// Whether it does anything to the self-attention of a layer in this call: cheap.
  virtual bool acts(const AttentionSite& site, const StepInfo& step,
                    const std::vector<RowGroup>& rows) const = 0;
  /// The rows that do not look at themselves alone, in their order; others are left as they are.
  virtual std::vector<SharedRow> rows(const AttentionCall& call) const = 0;
  /// For each row of a batch of `count`, the row whose features it has behind the last convolution
  /// of an output block's residual block, before what skips it is added; empty: its own.
  virtual std::vector<int64_t> features(int64_t output_block, const StepInfo& step,
                                        const std::vector<RowGroup>& rows, int64_t count) const;

  /// Whether `told` wants to know what a call's sharing changed, which is computed without it too.
  virtual bool asks(const AttentionCall& call) const;
  /// |y' − y| / |y| over the rows that it named: what they find, and what they would find in
  /// themselves alone, both before any controller.
  virtual void told(const AttentionCall& call, double moved) const;

  KeyNotes* notes = nullptr;  // what `noted` keys are taken from
  bool noting = false;        // layers where it acts note their keys and look at themselves
};

inline std::vector<int64_t> RowSharer::features(int64_t, const StepInfo&,
                                                const std::vector<RowGroup>&, int64_t) const {
  return {};
}
inline bool RowSharer::asks(const AttentionCall&) const { return false; }
inline void RowSharer::told(const AttentionCall&, double) const {}

}  // namespace sd
