#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "trainer/flat_parameters.h"
#include "trainer/optimizer.h"
#include "trainer/tensor_file.h"

namespace sd::train {

/// Where a training run stands. All its random numbers follow from the recipe's seed and `step`, so
/// there is no random state to keep.
struct Position {
  int64_t step = 0;
  int64_t pictures = 0;
  double seconds = 0;  // of training, over all sessions
};

/// The state of one stage on disk: `<stage>.state.safetensors`, and the one before it.
class StateFile {
 public:
  /// `settings`, a JSON object, is what a run must have in common with the one that it goes on
  /// with; empty: nothing is asked.
  StateFile(const std::filesystem::path& folder, const std::string& stage,
            std::string settings = {});

  /// Replaces the newest state; the one it replaces becomes the previous one. Killed at any moment,
  /// at least one of the two is whole. Throws IoError (folder gone, disk full).
  void save(const FlatParameters& parameters, const Optimizer& optimizer, const Position& position,
            const TensorMap& extra = {}) const;

  /// Loads the newest whole state, or returns false where there is none. A file that is damaged or
  /// cut short is reported through `say`, and the previous one is used. Throws CheckpointError if
  /// the state belongs to a model of another shape, or to a run with other settings (named).
  bool load(FlatParameters& parameters, Optimizer& optimizer, Position& position, TensorMap& extra,
            const std::function<void(const std::string&)>& say) const;

  /// Whether there is one, whole or not.
  bool exists() const;

  /// One extra tensor of the newest whole state. Throws UsageError if the stage has no state.
  torch::Tensor tensor(const std::string& name) const;

 private:
  std::optional<TensorFile> read(const std::function<void(const std::string&)>& say) const;

  void require_settings(const TensorFile& file) const;

  std::string stage_, settings_;
  std::filesystem::path newest_, previous_;
};

/// Takes what parameters a model file has under the same names in the same shapes (by CompVis
/// names); returns how many. Used to go on from an exported model.
int64_t load_by_name(const std::filesystem::path& model, FlatParameters& parameters);

/// The same for the token embedding, of which the model file has all rows of CLIP's vocabulary and
/// `parameters` have only `rows` (int64). Returns 1, or 0 if there is none of that width.
int64_t load_word_rows(const std::filesystem::path& model, FlatParameters& parameters,
                       const torch::Tensor& rows);

}  // namespace sd::train
