#include "sd/nn/time_table.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

namespace sd {

std::optional<int64_t> TimeTable::row_of(double t) const {
  const auto found = std::ranges::find(timesteps_, t);
  if (found == timesteps_.end()) return std::nullopt;
  return found - timesteps_.begin();
}

void TimeTable::fill(const std::vector<std::pair<const void*, torch::Tensor>>& shifts) {
  std::vector<torch::Tensor> all;
  int64_t begin = 0;
  for (const auto& [layer, of_layer] : shifts) {
    places_[layer] = {begin, of_layer.size(1)};
    begin += of_layer.size(1);
    all.push_back(of_layer);
  }
  shifts_ = at::cat(all, 1);
}

torch::Tensor TimeTable::shift(const void* layer, int64_t row) const {
  const auto& place = places_.at(layer);
  return shifts_.narrow(0, row, 1).narrow(1, place.begin, place.count);
}

TimeTable TimeTable::one_row() const {
  TimeTable one({0});
  one.places_ = places_;
  one.shifts_ = at::empty_like(shifts_.narrow(0, 0, 1));
  return one;
}

void TimeTable::set_row(const TimeTable& of, int64_t row) {
  shifts_.copy_(of.shifts_.narrow(0, row, 1));
}

}  // namespace sd
