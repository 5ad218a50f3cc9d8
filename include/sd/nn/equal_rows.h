#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sd {

/// For each row of x, the first row that has the same bits; x on a CPU.
std::vector<int64_t> find_equal_rows(const torch::Tensor& x);

/// The rows that equal no earlier one; x itself where all are.
torch::Tensor first_rows(const torch::Tensor& x, const std::vector<int64_t>& same_as);
/// Undoes first_rows; x itself where it has a row for each of `same_as`.
torch::Tensor all_rows(const torch::Tensor& x, const std::vector<int64_t>& same_as);

/// Rows of x, in this order and as often as they are named.
torch::Tensor rows_at(const torch::Tensor& x, const std::vector<int64_t>& rows);

}  // namespace sd
