#include "networks/product.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "core/cpu_topology.h"
#include "kernels/gemm.h"

namespace sd {
namespace {

constexpr int64_t kMostThreads = 16;
constexpr int64_t kSmallProduct = 1
                                  << 15;  // multiplications that threads and packing cost more than

int64_t count_cpus() {
  static const auto count = static_cast<int64_t>(allowed_cpus().size());
  return std::clamp<int64_t>(count, 1, kMostThreads);
}

std::span<const float> row_of(std::span<const float> matrix, int64_t row, int64_t columns) {
  return matrix.subspan(static_cast<std::size_t>(row * columns), static_cast<std::size_t>(columns));
}

void add_small_product(std::span<float> out, std::span<const float> a, std::span<const float> b,
                       const ProductSize& size) {
  std::vector<float> sums(static_cast<std::size_t>(size.columns));
  for (int64_t row = 0; row < size.rows; ++row) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    const auto factors = row_of(a, row, size.depth);
    for (int64_t d = 0; d < size.depth; ++d) {
      const float factor = factors[static_cast<std::size_t>(d)];
      const auto from = row_of(b, d, size.columns);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += factor * from[i];
    }
    float* to = out.data() + row * size.columns;
    for (std::size_t i = 0; i < sums.size(); ++i) to[i] += sums[i];
  }
}

}  // namespace

void share_tasks(int64_t count, const std::function<void(int64_t)>& task) {
  std::atomic<int64_t> next{0};
  std::exception_ptr first;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (int64_t i = next++; i < count; i = next++) task(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
      next = count;
    }
  };
  std::vector<std::jthread> others;
  const int64_t threads = std::min(count, count_cpus());
  others.reserve(static_cast<std::size_t>(std::max<int64_t>(0, threads - 1)));
  try {
    for (int64_t i = 1; i < threads; ++i) others.emplace_back(work);
  } catch (const std::system_error&) {
    // Fewer threads do the same work.
  }
  work();
  others.clear();
  if (first) std::rethrow_exception(first);
}

void share_range(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& task) {
  const int64_t pieces = std::max<int64_t>(1, std::min(count / grain, 4 * count_cpus()));
  const int64_t each = (count + pieces - 1) / pieces;
  share_tasks(pieces, [&](int64_t i) {
    const int64_t first = std::min(count, i * each);
    task(first, std::min(count, first + each));
  });
}

std::vector<float> transposed(std::span<const float> values, int64_t rows, int64_t columns) {
  std::vector<float> other(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      other[static_cast<std::size_t>(column * rows + row)] =
          values[static_cast<std::size_t>(row * columns + column)];
  }
  return other;
}

void add_product(std::span<float> out, std::span<const float> a, std::span<const float> b,
                 const ProductSize& size, double factor) {
  if (size.rows == 0 || size.depth == 0 || size.columns == 0) return;
  // Counted once a factor, not once a weight.
  std::vector<float> scaled(a.begin(), a.end());
  for (float& value : scaled) value = static_cast<float>(static_cast<double>(value) * factor);
  if (size.rows * size.depth * size.columns <= kSmallProduct)
    return add_small_product(out, scaled, b, size);
  const auto columns = transposed(b, size.depth, size.columns);
  const kernels::WeightView view{columns.data(), false, size.columns, size.depth};
  kernels::PackedWeights packed(view, kernels::best_isa(), kernels::Operands::kFloats);
  for (int64_t panel = 0; panel < packed.panels(); ++panel) packed.fill(view, panel);
  const kernels::GemmPlan plan(
      {.x = scaled.data(),
       .x_stride = size.depth,
       .rows = size.rows,
       .weights = &packed,
       .bias = nullptr,
       .residual = out.data(),  // each element is read before it is written
       .residual_stride = size.columns,
       .out = out.data(),
       .out_stride = size.columns,
       .bf16_out = false,
       .activation = kernels::Activation::kNone});
  share_tasks(plan.tasks(), [&](int64_t task) { plan.run(task); });
}

std::vector<float> product(std::span<const float> a, std::span<const float> b,
                           const ProductSize& size) {
  std::vector<float> out(static_cast<std::size_t>(size.rows * size.columns), 0.0F);
  add_product(out, a, b, size, 1.0);
  return out;
}

}  // namespace sd
