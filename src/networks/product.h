#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sd {

/// Calls task(0 … count − 1), several at a time where this process has several CPUs. The first
/// exception is thrown on when all have ended.
void share_tasks(int64_t count, const std::function<void(int64_t)>& task);

/// The same with neighbours of a range in one task, `grain` or more of them: task(first, end).
void share_range(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& task);

/// Sizes of a product a [rows][depth] · b [depth][columns].
struct ProductSize {
  int64_t rows = 0, depth = 0, columns = 0;
};

/// out [rows][columns] += factor · a · b, all of them contiguous.
void add_product(std::span<float> out, std::span<const float> a, std::span<const float> b,
                 const ProductSize& size, double factor);

/// a · b
std::vector<float> product(std::span<const float> a, std::span<const float> b,
                           const ProductSize& size);

/// [rows][columns] as [columns][rows].
std::vector<float> transposed(std::span<const float> values, int64_t rows, int64_t columns);

}  // namespace sd
