#include "sd/nn/column_edit.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace sd {

torch::Tensor ColumnEdit::with_sources(const torch::Tensor& x) const {
  if (shares.empty()) return x;
  std::vector<torch::Tensor> rows = {x};
  for (const auto& share : shares) rows.push_back(x.narrow(0, share.source, 1));
  return at::cat(rows);
}

torch::Tensor ColumnEdit::multiplied(const torch::Tensor& v) const {
  std::vector<torch::Tensor> rows = {v};
  for (const auto& share : shares) rows.push_back(v.narrow(0, share.target, 1));
  return at::matmul(matrices, at::cat(rows).to(at::kFloat)).to(v.scalar_type());
}

torch::Tensor ColumnEdit::added_up(torch::Tensor x) const {
  const int64_t rows = x.size(0) - static_cast<int64_t>(shares.size());
  for (std::size_t i = 0; i < shares.size(); ++i) {
    x.narrow(0, shares[i].target, 1).add_(x.narrow(0, rows + static_cast<int64_t>(i), 1));
  }
  return x.narrow(0, 0, rows);
}

bool ColumnEdit::operator==(const ColumnEdit& other) const {
  return shares == other.shares && matrices.equal(other.matrices);
}

ColumnEdit column_edit_of(AttentionController& controller, const StepInfo& step,
                          const std::vector<RowGroup>& rows, int64_t tokens) {
  int64_t count = 0;
  for (const auto& group : rows) count = std::max(count, group.begin + group.count);
  // What a linear map does to a basis is its matrix: pixel s·K + c of row s looks at token c alone.
  const auto basis = at::zeros({count, 1, count * tokens, tokens});
  for (int64_t row = 0; row < count; ++row) {
    basis[row][0].narrow(0, row * tokens, tokens).copy_(at::eye(tokens));
  }
  const AttentionSite site{};
  const auto made = controller.apply(basis, {site, step, rows, count * tokens, 1})
                        .view({count, count, tokens, tokens});
  ColumnEdit edit;
  std::vector<torch::Tensor> own, shared;
  for (int64_t target = 0; target < count; ++target) {
    for (int64_t source = 0; source < count; ++source) {
      const auto matrix = made[target][source];
      if (source == target) {
        own.push_back(matrix);
      } else if (matrix.any().item<bool>()) {
        edit.shares.push_back({target, source});
        shared.push_back(matrix);
      }
    }
  }
  own.insert(own.end(), shared.begin(), shared.end());
  edit.matrices = at::stack(own);
  return edit;
}

bool is_basis(const torch::Tensor& probs, const AttentionCall& call) {
  return probs.size(1) == 1 && call.width == 1 && call.height == probs.size(0) * probs.size(3);
}

}  // namespace sd
