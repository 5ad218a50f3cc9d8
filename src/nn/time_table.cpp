#include "sd/nn/time_table.h"

#include <algorithm>

namespace sd {

std::optional<int64_t> TimeTable::row_of(double t) const {
  const auto found = std::ranges::find(timesteps_, t);
  if (found == timesteps_.end()) return std::nullopt;
  return found - timesteps_.begin();
}

torch::Tensor TimeTable::shift(const void* layer, int64_t row) const {
  return shifts_.at(layer).narrow(0, row, 1);
}

}  // namespace sd
