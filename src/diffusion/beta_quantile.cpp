#include "diffusion/beta_quantile.h"

#include <cmath>

namespace sd {
namespace {

/// The continued fraction of I_x(a, b), DLMF 8.17.22, by Lentz' method; quick for x <
/// (a+1)/(a+b+2).
double beta_fraction(double x, double a, double b) {
  constexpr int kMaxTerms = 300;
  constexpr double kTiny = 1e-300, kEnough = 1e-15;
  const auto nonzero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / nonzero(1 - (a + b) * x / (a + 1)), result = d;
  for (int m = 1; m < kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 / nonzero(1 + term * d);
      c = nonzero(1 + term / c);
      change = c * d;
      result *= change;
    }
    if (std::abs(change - 1) < kEnough) break;
  }
  return result;
}

/// I_x(a, b).
double beta_cumulative(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
  return 1 - front * beta_fraction(1 - x, b, a) / b;
}

}  // namespace

double beta_quantile(double probability, double a, double b) {
  double low = 0, high = 1;
  // Bisection to the last bit: 60 values a schedule, no derivative that is infinite at the ends.
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (beta_cumulative(middle, a, b) < probability ? low : high) = middle;
  }
  return probability <= 0 ? 0 : probability >= 1 ? 1 : 0.5 * (low + high);
}

}  // namespace sd
