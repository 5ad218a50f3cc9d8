// Times attention on one core: bench_attention [rows queries keys heads size]. Not a test; build
// the target bench_attention to have it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/kernel_test.h"

namespace sd::kernels {
namespace {

struct Size {
  int64_t rows, queries, keys, heads, size;
};

// SD v1's layers at 512² and 1024², the text encoder, the autoencoder.
const std::vector<Size> kSizes = {
    {1, 4096, 4096, 8, 40}, {1, 1024, 1024, 8, 80}, {1, 256, 256, 8, 160}, {1, 64, 64, 8, 160},
    {1, 4096, 4096, 8, 80}, {1, 4096, 77, 8, 40},   {1, 1024, 77, 8, 80},  {1, 256, 77, 8, 160},
    {1, 77, 77, 12, 64},    {1, 4096, 4096, 1, 512}};

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void measure(const Size& size, Isa isa, bool bf16) {
  const int64_t width = size.heads * size.size;
  const auto values = random_values(
      static_cast<std::size_t>(size.rows * std::max(size.queries, size.keys) * 3 * width), 1);
  const auto halves = to_bf16(values);
  std::vector<float> out(static_cast<std::size_t>(size.rows * size.queries * width));
  const std::size_t bytes = bf16 ? 2 : 4;
  // Of self-attention, parts of one product; of a prompt, three tensors.
  const bool joined = size.queries == size.keys;
  const int64_t tokens = std::max(size.queries, size.keys), stride = joined ? 3 * width : width;
  const auto part = [&](int64_t i) {
    const void* data = bf16 ? static_cast<const void*>(halves.data()) : values.data();
    const int64_t first = joined ? i * width : i * size.rows * tokens * width;
    return TokensView{static_cast<const char*>(data) + static_cast<std::size_t>(first) * bytes,
                      tokens * stride, stride};
  };
  PackedKeys keys({size.rows, size.keys, size.heads, size.size, bf16}, isa);
  AttentionCall call{.keys = &keys,
                     .rows = size.rows,
                     .queries = size.queries,
                     .q = part(0),
                     .out = out.data(),
                     .out_row_stride = size.queries * width,
                     .out_token_stride = width,
                     .scale = 0.16F};
  const AttentionPlan plan(call);
  const double flops = 4.0 * static_cast<double>(size.rows * size.queries * size.keys * width);
  double best = 1e9, packing = 1e9;
  const int times = static_cast<int>(std::clamp(3e10 / flops, 5.0, 2000.0));
  for (int i = 0; i < times; ++i) {
    const double start = thread_seconds();
    for (int64_t task = 0; task < keys.tasks(); ++task) keys.pack(task, part(1), part(2));
    const double packed = thread_seconds();
    for (int64_t task = 0; task < plan.tasks(); ++task) plan.run(task);
    best = std::min(best, thread_seconds() - packed);
    packing = std::min(packing, packed - start);
  }
  std::printf(
      "%-12s %s %ld x %5ld x %5ld, %2ld heads of %3ld: %9.3f ms, %6.1f GFLOP/s; packing %.3f ms\n",
      std::string(name_of(isa)).c_str(), bf16 ? "bf16" : "f32 ", size.rows, size.queries, size.keys,
      size.heads, size.size, best * 1e3, flops / best * 1e-9, packing * 1e3);
}

}  // namespace
}  // namespace sd::kernels

int main(int argc, char** argv) {
  using namespace sd::kernels;
  std::vector<Size> sizes = kSizes;
  if (argc == 6) {
    sizes = {{std::atol(argv[1]), std::atol(argv[2]), std::atol(argv[3]), std::atol(argv[4]),
              std::atol(argv[5])}};
  }
  for (const bool bf16 : {false, true}) {
    for (const auto& size : sizes) measure(size, best_isa(), bf16);
  }
}
