#pragma once

namespace sd {

/// The value below which a part `probability` in [0,1] of the distribution Beta(a, b) lies: the
/// inverse of the regularised incomplete beta function I_x(a, b).
double beta_quantile(double probability, double a, double b);

}  // namespace sd
