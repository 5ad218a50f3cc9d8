#pragma once

#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/silu.h>

#include <cstring>

#include "cuda/backend.h"
#include "nn/gpu.h"

namespace sd::test {

/// Stands in for a GPU's kernels, on the CPU and by LibTorch's own operators: what is built around
/// them runs as on a GPU. A recording runs what was recorded once more.
class PlainGpu final : public cuda::Backend {
 public:
  int64_t group_norm_scratch(const cuda::Maps&, int64_t) const override { return 1; }

  void group_norm(const cuda::GroupNormCall& call, void*) const override {
    const auto& m = call.maps;
    auto x = wrap(call.x, m.type, {m.pictures, m.pixels, m.channels}).to(at::kFloat);
    x = x + offset(call.before, m);
    auto y = at::group_norm(x.transpose(1, 2), call.groups,
                            wrap(call.weight, m.type, {m.channels}).to(at::kFloat),
                            wrap(call.bias, m.type, {m.channels}).to(at::kFloat), call.eps)
                 .transpose(1, 2);
    if (call.silu) y = at::silu(y);
    wrap(call.y, m.type, {m.pictures, m.pixels, m.channels}).copy_(y);
    ++norms;
  }

  void add(const cuda::AddCall& call, void*) const override {
    const auto& m = call.maps;
    const at::DimVector shape = {m.pictures, m.pixels, m.channels};
    auto x = wrap(call.x, m.type, shape);
    auto sum = x.to(at::kFloat) + offset(call.offset, m);
    if (call.residual != nullptr) sum = sum + wrap(call.residual, m.type, shape).to(at::kFloat);
    x.copy_(sum);
    ++additions;
  }

  void gate(const cuda::GateCall& call, void*) const override {
    const auto halves =
        wrap(call.x, call.type, {call.rows, 2 * call.width}).to(at::kFloat).chunk(2, 1);
    wrap(call.y, call.type, {call.rows, call.width}).copy_(halves[0] * at::gelu(halves[1]));
    ++gates;
  }

  void note_nonfinite(const float* x, int64_t count, int step, int* first, void*) const override {
    const auto values = wrap(x, cuda::Type::kFloat, {count});
    if (*first < 0 && !at::isfinite(values).all().item<bool>()) *first = step;
  }

  std::unique_ptr<cuda::Graph> record(int, const std::function<void()>& work,
                                      const cuda::Graph*) const override {
    ++recorded;
    work();
    return std::make_unique<Again>(work, &replayed);
  }

  void upload(int, const void* from, void* to, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
    ++uploads;
  }
  void give_back_memory() const override {}

  void count_waits(bool) const override {}
  int64_t waits() const override { return 0; }
  int64_t peak_memory(int) const override { return 0; }

  mutable int64_t norms = 0, additions = 0, gates = 0, recorded = 0, replayed = 0, uploads = 0;

 private:
  struct Again final : cuda::Graph {
    Again(std::function<void()> what, int64_t* times) : work(std::move(what)), count(times) {}
    void replay() override {
      ++*count;
      work();
    }
    std::function<void()> work;
    int64_t* count;
  };

  static torch::Tensor wrap(const void* data, cuda::Type type, at::IntArrayRef shape) {
    const auto dtype = type == cuda::Type::kHalf    ? at::kHalf
                       : type == cuda::Type::kFloat ? at::kFloat
                                                    : at::kBFloat16;
    return at::from_blob(const_cast<void*>(data), shape, at::TensorOptions().dtype(dtype));
  }

  static torch::Tensor offset(const cuda::ChannelOffset& o, const cuda::Maps& m) {
    auto sum = at::zeros({1, 1, m.channels});
    if (o.bias != nullptr) sum = sum + wrap(o.bias, m.type, {1, 1, m.channels}).to(at::kFloat);
    if (o.offset != nullptr) {
      const int64_t pictures = o.offset_stride == 0 ? 1 : m.pictures;
      sum = sum + wrap(o.offset, m.type, {pictures, 1, m.channels}).to(at::kFloat);
    }
    return sum;
  }
};

}  // namespace sd::test
