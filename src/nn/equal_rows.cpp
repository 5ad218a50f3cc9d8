#include "sd/nn/equal_rows.h"

#include <ATen/ops/tensor.h>

#include <cstring>

namespace sd {
namespace {

int64_t count_of(const std::vector<int64_t>& same_as) {
  int64_t count = 0;
  for (std::size_t row = 0; row < same_as.size(); ++row) {
    count += same_as[row] == static_cast<int64_t>(row);
  }
  return count;
}

}  // namespace

torch::Tensor rows_at(const torch::Tensor& x, const std::vector<int64_t>& rows) {
  return x.index_select(0, at::tensor(rows, at::TensorOptions().dtype(at::kLong)).to(x.device()));
}

std::vector<int64_t> find_equal_rows(const torch::Tensor& x) {
  const auto rows = x.contiguous();
  const auto bytes = rows.nbytes() / static_cast<std::size_t>(x.size(0));
  const auto* data = static_cast<const char*>(rows.const_data_ptr());
  std::vector<int64_t> same_as;
  for (int64_t row = 0; row < x.size(0); ++row) {
    const char* const at = data + static_cast<std::size_t>(row) * bytes;
    int64_t first = 0;
    while (first < row &&
           std::memcmp(data + static_cast<std::size_t>(first) * bytes, at, bytes) != 0) {
      ++first;
    }
    same_as.push_back(first);
  }
  return same_as;
}

torch::Tensor first_rows(const torch::Tensor& x, const std::vector<int64_t>& same_as) {
  if (count_of(same_as) == static_cast<int64_t>(same_as.size())) return x;
  std::vector<int64_t> firsts;
  for (std::size_t row = 0; row < same_as.size(); ++row) {
    if (same_as[row] == static_cast<int64_t>(row)) firsts.push_back(same_as[row]);
  }
  return rows_at(x, firsts);
}

torch::Tensor all_rows(const torch::Tensor& x, const std::vector<int64_t>& same_as) {
  if (same_as.empty() || x.size(0) == static_cast<int64_t>(same_as.size())) return x;
  std::vector<int64_t> places;
  int64_t firsts = 0;
  for (std::size_t row = 0; row < same_as.size(); ++row) {
    const bool first = same_as[row] == static_cast<int64_t>(row);
    places.push_back(first ? firsts++ : places[static_cast<std::size_t>(same_as[row])]);
  }
  return rows_at(x, places);
}

}  // namespace sd
