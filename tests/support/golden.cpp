#include "support/golden.h"

#include <limits>

#include "sd/core/mapped_file.h"
#include "sd/weights/load_weights.h"
#include "weights/safetensors_source.h"

namespace sd::test {

Golden::Golden(const std::string& name) {
  const auto file = MappedFile::open(data(name));
  tensors_ = open_safetensors({file->bytes(), file, file.get()}, name);
}

torch::Tensor Golden::operator[](const std::string& name) const {
  return wrap_tensor(tensors_->at(name)).clone();
}

double relative_difference(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  const auto difference = (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max();
  return (difference / b.to(torch::kDouble).abs().max()).item<double>();
}

}  // namespace sd::test
