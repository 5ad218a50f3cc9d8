// Compiled without contraction: a product is rounded before its sum unless std::fma says otherwise.
#include "tools/test_data/torch_normal.h"

#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <utility>

namespace sd::test {
namespace {

constexpr std::size_t kBlock = 16;  // numbers that the vector kernel makes at once

/// A polynomial of Cephes, the highest power's coefficient first, by Horner's rule.
template <std::size_t N>
float horner(const std::array<float, N>& coefficients, float x) {
  float sum = coefficients[0];
  for (std::size_t i = 1; i < N; ++i) sum = std::fma(sum, x, coefficients[i]);
  return sum;
}

/// ln x for x in (0, 1], as Cephes' logf.
float log_of(float x) {
  constexpr std::array kLog = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                               -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                               2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  constexpr float kLn2Low = -2.12194440e-4f, kLn2High = 0.693359375f;
  const auto bits = std::bit_cast<uint32_t>(x);
  float exponent = static_cast<float>(static_cast<int>(bits >> 23) - 0x7e);
  float m = std::bit_cast<float>((bits & ~0x7f800000u) | 0x3f000000u);  // in [0.5, 1)
  const bool below = m < std::numbers::sqrt2_v<float> / 2;
  m = (m - 1) + (below ? m : 0.0f);
  if (below) exponent -= 1;
  const float square = m * m;
  float y = horner(kLog, m) * m;
  y = std::fma(y, square, exponent * kLn2Low);
  y -= square * 0.5f;
  return (m + y) + exponent * kLn2High;
}

/// sin x and cos x for x in [0, 2π], as Cephes' sinf and cosf.
std::pair<float, float> sin_cos(float x) {
  constexpr std::array kSin = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
  constexpr std::array kCos = {2.443315711809948e-5f, -1.388731625493765e-3f,
                               4.166664568298827e-2f};
  constexpr std::array kQuarterPi = {0.78515625f, 2.4187564849853515625e-4f,
                                     3.77489497744594108e-8f};  // in three parts
  const int octant = (static_cast<int>(x * 1.27323954473516f) + 1) & ~1;
  for (const float part : kQuarterPi) x = std::fma(static_cast<float>(octant), -part, x);
  const float square = x * x;
  const float cosine = std::fma(horner(kCos, square) * square, square, -(square * 0.5f)) + 1.0f;
  const float sine = std::fma(horner(kSin, square) * square, x, x);
  const bool swapped = (octant & 2) != 0;
  const float s = swapped ? cosine : sine, c = swapped ? sine : cosine;
  return {(octant & 4) != 0 ? -s : s, ((octant + 2) & 4) != 0 ? -c : c};
}

}  // namespace

double TorchNormal::uniform() {
  const uint64_t high = engine_();
  const uint64_t bits = high << 32 | engine_();
  return static_cast<double>(bits & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

double TorchNormal::one() {
  if (second_) return *std::exchange(second_, std::nullopt);
  const double angle = 2 * std::numbers::pi * uniform();
  const double radius = std::sqrt(-2 * std::log1p(-uniform()));
  second_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

std::vector<float> TorchNormal::randn(std::size_t count) {
  std::vector<float> numbers(count);
  if (count < kBlock) {
    for (float& number : numbers) number = static_cast<float>(one());
    return numbers;
  }
  if (count % kBlock != 0) throw std::invalid_argument("torch draws the last 16 numbers anew");
  for (float& number : numbers) number = static_cast<float>(engine_() & 0xffffff) * 0x1p-24f;
  for (std::size_t block = 0; block < count; block += kBlock) {  // Box and Muller
    for (std::size_t i = block; i < block + kBlock / 2; ++i) {
      const float radius = std::sqrt(-2.0f * log_of(1.0f - numbers[i]));
      const auto [s, c] = sin_cos(2 * std::numbers::pi_v<float> * numbers[i + kBlock / 2]);
      numbers[i] = radius * c;
      numbers[i + kBlock / 2] = radius * s;
    }
  }
  return numbers;
}

}  // namespace sd::test
