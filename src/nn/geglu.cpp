#include "nn/geglu.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "nn/kernel_math.h"

namespace sd {
namespace {

using namespace kernel_math;

constexpr int64_t kGrain = 16384;  // elements a thread should have at least

SD_FOR_EACH_CPU void geglu_rows(const c10::BFloat16* x, c10::BFloat16* y, int64_t rows,
                                int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += 2 * width, y += width) {
    const c10::BFloat16* __restrict a = x;
    const c10::BFloat16* __restrict b = x + width;
    c10::BFloat16* __restrict to = y;
#pragma GCC ivdep
    for (int64_t i = 0; i < width; ++i) store(to + i, load(a + i) * gelu(load(b + i)));
  }
}

}  // namespace

torch::Tensor geglu(const torch::Tensor& x) {
  const bool fast = x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.is_contiguous() &&
                    !c10::GradMode::is_enabled();
  if (!fast) {
    const auto halves = x.chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  }
  auto shape = x.sizes().vec();
  const int64_t width = shape.back() /= 2;
  auto y = at::empty(shape, x.options());
  const auto* in = x.const_data_ptr<c10::BFloat16>();
  auto* out = y.mutable_data_ptr<c10::BFloat16>();
  const int64_t rows = width == 0 ? 0 : y.numel() / width;
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)),
                   [&](int64_t first, int64_t last) {
                     geglu_rows(in + 2 * first * width, out + first * width, last - first, width);
                   });
  return y;
}

}  // namespace sd
