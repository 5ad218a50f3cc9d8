#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sd {

/// What each residual block adds for the time, of all timesteps of a run: it depends on nothing
/// else, so it is computed once, in one product a block. One run's own.
class TimeTable {
 public:
  /// `timesteps` are those that the run is known to ask for; others may come.
  explicit TimeTable(std::vector<double> timesteps) : timesteps_(std::move(timesteps)) {}

  const std::vector<double>& timesteps() const { return timesteps_; }
  /// Where t stands among the timesteps; nullopt for one that is not there.
  std::optional<int64_t> row_of(double t) const;

  bool is_filled() const { return !shifts_.empty(); }
  /// Keeps the shifts of a layer, [T,channels], of which row i is for timestep i.
  void keep(const void* layer, torch::Tensor shifts) { shifts_[layer] = std::move(shifts); }
  /// The shift of a layer, [1,channels]. The layer must have been filled.
  torch::Tensor shift(const void* layer, int64_t row) const;

 private:
  std::vector<double> timesteps_;
  std::map<const void*, torch::Tensor> shifts_;
};

}  // namespace sd
