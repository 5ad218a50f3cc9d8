#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/network_layers.h"
#include "sd/models/text_encoder.h"
#include "sd/pipeline/draw.h"

namespace sd {

/// What the UNet's cross-attention looks at in each row of a batch, step by step: prompts may
/// change on the way, be weighed, and fill several chunks.
class PromptContexts {
 public:
  /// All are lent. `num_steps` are those that run.
  PromptContexts(const LoadedModel& model, const DrawRequest& request, int64_t num_steps,
                 const BatchNetworks& networks);

  /// Appends the rows of a conditional pass, one for each prompt: the context of its part number
  /// `part`, or of its last part if it has fewer. A prompt that needs fewer chunks than others gets
  /// empty chunks at its end, so that its tokens keep their places.
  void add(const std::vector<std::string>& prompts, int64_t part = 0);
  /// `rows` rows of the negative prompt below those, or of the samples' own, in turn. Its context
  /// is repeated where that comes out even, which leaves attention as it is. Along an inversion
  /// that has them, the source's prompt or the contexts that were optimised for each step instead.
  void add_negative(int64_t rows);

  /// Where the tokens of a prompt stand in its context.
  std::vector<int64_t> token_positions(const std::string& prompt) const;

  /// Of every prompt.
  int64_t chunks() const { return chunks_; }
  int64_t rows() const { return static_cast<int64_t>(rows_.size()); }
  /// [R,K,D] in the model's compute dtype.
  torch::Tensor at(int64_t step);

 private:
  struct Row {
    std::vector<std::pair<int64_t, torch::Tensor>> changes;  // first step, [1,K,D]
  };
  /// What the text encoder makes of a prompt of row `row` of a pass, whose LoRAs it has.
  Row encode(const std::vector<PromptVariant>& variants, int64_t row) const;
  const std::vector<Row>& parts_of(const std::string& prompt, int64_t row);
  const Row& negative_of(const std::string& prompt, int64_t row);
  /// What null-text optimisation made of it.
  Row optimised_negative() const;

  const LoadedModel& model_;
  const DrawRequest& request_;
  int64_t num_steps_;
  const BatchNetworks& networks_;
  AddedVectors added_;
  int64_t chunks_ = 1;
  // By what is encoded and under which LoRAs: equal ones are encoded once.
  std::map<std::pair<std::string, std::string>, std::vector<Row>> encoded_;  // parts of prompts
  std::map<std::pair<std::string, std::string>, Row> negative_;
  std::vector<Row> rows_;
  std::vector<std::size_t> current_;  // the change of each row that context_ holds
  torch::Tensor context_;
};

/// How much each part counts in each row of a batch, as Guidance takes it.
std::vector<std::vector<double>> part_weights(const LoadedModel& model, const DrawRequest& request);

}  // namespace sd
