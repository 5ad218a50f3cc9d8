#include "trainer/flat_parameters.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace sd::train {
namespace {

// Entries start at multiples of a cache line.
constexpr int64_t kAlignment = 16;

bool is_decayed(const ParameterSlot& slot) { return slot.shape.size() >= 2; }

}  // namespace

FlatParameters::FlatParameters(std::vector<ParameterSlot> slots, torch::Device device) {
  std::stable_partition(slots.begin(), slots.end(), is_decayed);
  int64_t end = 0;
  for (const auto& slot : slots) {
    const int64_t count =
        std::accumulate(slot.shape.begin(), slot.shape.end(), int64_t{1}, std::multiplies<>());
    entries_.push_back({slot.name, slot.shape, end, count});
    end += (count + kAlignment - 1) / kAlignment * kAlignment;
    if (is_decayed(slot)) decayed_ = end;
  }
  const auto options = at::dtype(at::kFloat).device(device);
  values_ = at::zeros({end}, options);
  gradients_ = at::zeros({end}, options);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    auto parameter = view(values_, entries_[i]).detach().requires_grad_();
    parameter.mutable_grad() = view(gradients_, entries_[i]);
    slots[i].bind(parameter);
  }
}

torch::Tensor FlatParameters::view(const torch::Tensor& flat, const Entry& entry) {
  return flat.narrow(0, entry.begin, entry.count).view(entry.shape);
}

}  // namespace sd::train
