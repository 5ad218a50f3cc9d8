#include "nn/kernel_attention.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <numeric>

#include "nn/parallel_tasks.h"

namespace sd {
namespace {

kernels::TokensView view_of(const torch::Tensor& x) {
  if (!x.defined()) return {nullptr, 0, 0};
  return {x.const_data_ptr(), x.stride(0), x.stride(1)};
}

torch::Tensor with_side_by_side_heads(const torch::Tensor& x) {
  return !x.defined() || x.stride(-1) == 1 ? x : x.contiguous();
}

kernels::AttentionCall call_of(const HeldKeys& held, int64_t rows, int64_t queries) {
  const auto& shape = held.keys.shape();
  kernels::AttentionCall call{};
  call.keys = &held.keys;
  call.rows = rows;
  call.queries = queries;
  call.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.size)));
  return call;
}

void run(const kernels::AttentionCall& call) {
  const kernels::AttentionPlan plan(call);
  run_tasks(plan.tasks(), [&](int64_t task) { plan.run(task); });
}

torch::Tensor output_of(kernels::AttentionCall& call, torch::Dtype dtype) {
  const auto& shape = call.keys->shape();
  auto out = at::empty({call.rows, call.queries, shape.heads * shape.size},
                       at::TensorOptions().dtype(dtype));
  call.out = out.mutable_data_ptr();
  call.out_row_stride = out.stride(0);
  call.out_token_stride = out.stride(1);
  return out;
}

std::vector<int64_t> all_of(int64_t count) {
  std::vector<int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

bool can_attend(const torch::Tensor& q) {
  return c10::InferenceMode::is_enabled() && q.is_cpu() && q.numel() > 0 &&
         (q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16);
}

HeldKeys hold_keys(const torch::Tensor& k, const torch::Tensor& v, int64_t heads) {
  const auto keys = with_side_by_side_heads(k), values = with_side_by_side_heads(v);
  const kernels::KeysShape shape{k.size(0), k.size(1), heads, k.size(2) / heads,
                                 k.scalar_type() == at::kBFloat16};
  const auto isa = kernels::best_isa();
  const auto bytes = static_cast<int64_t>(kernels::PackedKeys::memory_for(shape, isa));
  auto memory = at::empty({bytes}, at::TensorOptions().dtype(at::kByte));
  HeldKeys held{kernels::PackedKeys(shape, isa, static_cast<std::byte*>(memory.mutable_data_ptr())),
                memory};
  run_tasks(held.keys.tasks(),
            [&](int64_t task) { held.keys.pack(task, view_of(keys), view_of(values)); });
  return held;
}

torch::Tensor attend(const torch::Tensor& q, const HeldKeys& held, bool causal,
                     const std::vector<int64_t>& watched, const torch::Tensor& probs) {
  const auto queries = with_side_by_side_heads(q);
  auto call = call_of(held, q.size(0), q.size(1));
  call.q = view_of(queries);
  call.causal = causal;
  if (!watched.empty()) {
    call.watch.rows = watched;
    call.watch.heads = all_of(held.keys.shape().heads);
    call.watch.probabilities = probs.mutable_data_ptr<float>();
  }
  auto out = output_of(call, q.scalar_type());
  run(call);
  return out;
}

torch::Tensor attend(const torch::Tensor& q, const HeldKeys& held,
                     const std::vector<int64_t>& key_rows) {
  const auto queries = with_side_by_side_heads(q);
  auto call = call_of(held, q.size(0), q.size(1));
  call.q = view_of(queries);
  call.key_rows = key_rows.data();
  auto out = output_of(call, q.scalar_type());
  run(call);
  return out;
}

torch::Tensor probabilities(const torch::Tensor& q, const HeldKeys& held) {
  const auto queries = with_side_by_side_heads(q);
  const auto& shape = held.keys.shape();
  auto probs = at::empty({shape.rows, shape.heads, q.size(1), shape.keys},
                         at::TensorOptions().dtype(at::kFloat));
  auto call = call_of(held, shape.rows, q.size(1));
  call.q = view_of(queries);
  call.watch.rows = all_of(shape.rows);
  call.watch.heads = all_of(shape.heads);
  call.watch.probabilities = probs.mutable_data_ptr<float>();
  run(call);
  return probs;
}

torch::Tensor weigh_values(const torch::Tensor& probs, const HeldKeys& held, torch::Dtype dtype) {
  const auto given = probs.to(at::kFloat).contiguous();
  auto call = call_of(held, held.keys.shape().rows, probs.size(2));
  call.given = given.const_data_ptr<float>();
  auto out = output_of(call, dtype);
  run(call);
  return out;
}

}  // namespace sd
