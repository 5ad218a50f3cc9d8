#include "core/fma_limit.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 20'000;  // of a loop between two looks at the clock: about 0.1 ms
constexpr int kTrials = 3;
// Enough results on their way for two units of six cycles each; more registers than that AVX2
// lacks.
constexpr int kChains = 12;

/// Keeps what was computed from being left out.
thread_local volatile float sink;

/// Runs kRounds of a loop and returns how many operations that were.
using Loop = double (*)();

#if defined(__x86_64__)

__attribute__((target("avx512f"))) double loop_avx512() {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_setzero_ps();
  const __m512 a = _mm512_set1_ps(0.5F + sink * 0), b = _mm512_set1_ps(1e-3F);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm512_fmadd_ps(a, sum, b);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  float parts[16];
  _mm512_storeu_ps(parts, sums[0]);
  sink = parts[0] + parts[15];
  return 2.0 * 16 * kChains * kRounds;
}

__attribute__((target("avx512f,avx512bf16"))) double loop_avx512_bf16() {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_setzero_ps();
  const __m512 half = _mm512_set1_ps(0.5F + sink * 0), small = _mm512_set1_ps(1e-3F);
  const __m512bh a = _mm512_cvtne2ps_pbh(half, half), b = _mm512_cvtne2ps_pbh(small, small);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm512_dpbf16_ps(sum, a, b);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  float parts[16];
  _mm512_storeu_ps(parts, sums[0]);
  sink = parts[0] + parts[15];
  return 2.0 * 32 * kChains * kRounds;
}

__attribute__((target("avx2,fma"))) double loop_avx2() {
  __m256 sums[kChains];
  for (auto& sum : sums) sum = _mm256_setzero_ps();
  const __m256 a = _mm256_set1_ps(0.5F + sink * 0), b = _mm256_set1_ps(1e-3F);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm256_fmadd_ps(a, sum, b);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  float parts[8];
  _mm256_storeu_ps(parts, sums[0]);
  sink = parts[0] + parts[7];
  return 2.0 * 8 * kChains * kRounds;
}

#endif

/// What every CPU can: multiplying and adding, four at a time where the compiler may assume that.
double loop_plain() {
  using Four [[gnu::vector_size(16)]] = float;
  Four sums[kChains] = {};
  const float half = 0.5F + sink * 0;
  const Four a = {half, half, half, half}, b = {1e-3F, 1e-3F, 1e-3F, 1e-3F};
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = a * sum + b;
  }
  for (int i = 1; i < kChains; ++i) sums[0] += sums[i];
  sink = sums[0][0] + sums[0][3];
  return 2.0 * 4 * kChains * kRounds;
}

struct Choice {
  Loop loop;
  std::string_view by;
};

std::optional<Choice> choose(FmaType type) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (type == FmaType::kBF16) {
    if (!__builtin_cpu_supports("avx512bf16")) return std::nullopt;
    return Choice{loop_avx512_bf16, "AVX512-BF16"};
  }
  if (__builtin_cpu_supports("avx512f")) return Choice{loop_avx512, "AVX-512"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return Choice{loop_avx2, "AVX2"};
#endif
  if (type == FmaType::kBF16) return std::nullopt;
  return Choice{loop_plain, "vectors of 4"};
}

/// Operations a second of one thread, from when all are ready.
double rate_of(Loop loop, double seconds, std::barrier<>& ready) {
  loop();  // wakes the wide units up
  ready.arrive_and_wait();
  const auto began = Clock::now();
  double operations = 0, passed = 0;
  while (passed < seconds) {
    operations += loop();
    passed = std::chrono::duration<double>(Clock::now() - began).count();
  }
  return operations / passed;
}

double trial(Loop loop, int threads, double seconds) {
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::barrier ready(threads);
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < rates.size(); ++i) {
    others.emplace_back([&, i] { rates[i] = rate_of(loop, seconds, ready); });
  }
  rates[0] = rate_of(loop, seconds, ready);
  others.clear();  // joins them
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace

std::optional<FmaLimit> measure_fma_limit(FmaType type, int threads, double seconds) {
  const auto choice = choose(type);
  if (!choice) return std::nullopt;
  double best = 0;
  for (int i = 0; i < kTrials; ++i) {
    best = std::max(best, trial(choice->loop, std::max(threads, 1), seconds));
  }
  return FmaLimit{best / 1e9, choice->by};
}

}  // namespace sd
