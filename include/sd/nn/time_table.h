#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
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

  bool is_filled() const { return shifts_.defined(); }
  /// Keeps the shifts of every layer, each [T,channels], of which row i is for timestep i.
  void fill(const std::vector<std::pair<const void*, torch::Tensor>>& shifts);
  /// The shift of a layer, [1,channels]. The layer must be among those of `fill`.
  torch::Tensor shift(const void* layer, int64_t row) const;

  /// A table of the same layers with one row, which stays in its memory; `set_row` fills it.
  TimeTable one_row() const;
  /// Makes row `row` of another table this one's only row.
  void set_row(const TimeTable& of, int64_t row);

 private:
  struct Place {
    int64_t begin, count;
  };
  std::vector<double> timesteps_;
  std::map<const void*, Place> places_;
  torch::Tensor shifts_;  // [T,Σ channels]
};

}  // namespace sd
