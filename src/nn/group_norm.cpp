#include "nn/group_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/constants.h"
#include "nn/gpu.h"
#include "nn/norm_kernels.h"
#include "nn/parallel_tasks.h"

namespace sd {
namespace {

struct Shape {
  int64_t pictures, channels, pixels, groups;
  int64_t group_size() const { return channels / groups; }
};

Shape shape_of(const torch::Tensor& x, int64_t groups) {
  return {x.size(0), x.size(1), x.size(2) * x.size(3), groups};
}

/// What turns x into its normed values, for one picture: normed = scale · x + shift per channel.
struct Affine {
  std::vector<float> scale, shift;
};

Affine affine_of(const Shape& shape, const float* mean, const float* deviation_inverse,
                 const float* weight, const float* bias) {
  Affine affine;
  affine.scale.resize(static_cast<std::size_t>(shape.channels));
  affine.shift.resize(affine.scale.size());
  for (int64_t c = 0; c < shape.channels; ++c) {
    const int64_t group = c / shape.group_size();
    const auto at = static_cast<std::size_t>(c);
    affine.scale[at] = weight[c] * deviation_inverse[group];
    affine.shift[at] = bias[c] - mean[group] * affine.scale[at];
  }
  return affine;
}

/// Mean and 1/deviation of each group from its channels' sums and sums of squares.
void group_statistics(const Shape& shape, double eps, const double* sum, const double* square,
                      float* mean, float* deviation_inverse) {
  const int64_t size = shape.group_size();
  const auto count = static_cast<double>(size * shape.pixels);
  for (int64_t group = 0; group < shape.groups; ++group) {
    double total = 0, total_square = 0;
    for (int64_t c = group * size; c < (group + 1) * size; ++c) {
      total += sum[c];
      total_square += square[c];
    }
    const double centre = total / count;
    const double variance = std::max(0.0, total_square / count - centre * centre);
    mean[group] = static_cast<float>(centre);
    deviation_inverse[group] = static_cast<float>(1 / std::sqrt(variance + eps));
  }
}

/// A picture's pixels in bands, which threads share out. How many there are depends on the picture
/// alone, so that sums over them are the same however many threads and pictures there are.
struct Bands {
  int64_t pixels, band, count;
  explicit Bands(int64_t of)
      : pixels(of), band(std::max<int64_t>(256, of / 256)), count((of + band - 1) / band) {}
  int64_t begin(int64_t i) const { return i * band; }
  int64_t size(int64_t i) const { return std::min(band, pixels - i * band); }
};

struct Statistics {
  torch::Tensor mean, deviation_inverse;  // [N,groups] float32
};

/// Of each picture, its channels' sums, then their sums of squares.
template <typename T>
std::vector<double> moments_of(const torch::Tensor& x, const Shape& shape) {
  const T* in = x.const_data_ptr<T>();
  const auto channels = static_cast<std::size_t>(shape.channels);
  const Bands bands(shape.pixels);
  std::vector<double> moments(static_cast<std::size_t>(shape.pictures * bands.count) * 2 *
                              channels);
  run_tasks(shape.pictures * bands.count, [&](int64_t task) {
    const int64_t n = task / bands.count, band = task % bands.count;
    double* const sum = moments.data() + static_cast<std::size_t>(task) * 2 * channels;
    norm_kernels::add_moments(in + (n * shape.pixels + bands.begin(band)) * shape.channels,
                              bands.size(band), shape.channels, sum, sum + channels);
  });
  std::vector<double> whole(static_cast<std::size_t>(shape.pictures) * 2 * channels);
  for (int64_t task = 0; task < shape.pictures * bands.count; ++task) {
    const double* of = moments.data() + static_cast<std::size_t>(task) * 2 * channels;
    double* to = whole.data() + static_cast<std::size_t>(task / bands.count) * 2 * channels;
    for (std::size_t i = 0; i < 2 * channels; ++i) to[i] += of[i];
  }
  return whole;
}

std::vector<double> moments_of(const torch::Tensor& x, const Shape& shape) {
  return x.scalar_type() == at::kFloat ? moments_of<float>(x, shape)
                                       : moments_of<c10::BFloat16>(x, shape);
}

Statistics statistics_of(const std::vector<double>& moments, const Shape& shape, double eps) {
  const auto options = at::TensorOptions().dtype(at::kFloat);
  Statistics result{at::empty({shape.pictures, shape.groups}, options),
                    at::empty({shape.pictures, shape.groups}, options)};
  for (int64_t n = 0; n < shape.pictures; ++n) {
    const double* sum = moments.data() + n * 2 * shape.channels;
    group_statistics(shape, eps, sum, sum + shape.channels,
                     result.mean.mutable_data_ptr<float>() + n * shape.groups,
                     result.deviation_inverse.mutable_data_ptr<float>() + n * shape.groups);
  }
  return result;
}

Statistics statistics_of(const torch::Tensor& x, const Shape& shape, double eps) {
  return statistics_of(moments_of(x, shape), shape, eps);
}

template <typename T>
void apply_to_pictures(const torch::Tensor& x, const Shape& shape, const GroupAffine& affine,
                       bool silu, torch::Tensor& y) {
  const T* in = x.const_data_ptr<T>();
  T* out = y.mutable_data_ptr<T>();
  const Bands bands(shape.pixels);
  run_tasks(shape.pictures * bands.count, [&](int64_t task) {
    const int64_t n = task / bands.count, band = task % bands.count;
    const int64_t offset = (n * shape.pixels + bands.begin(band)) * shape.channels;
    norm_kernels::apply(in + offset, out + offset, bands.size(band), shape.channels,
                        affine.scale.const_data_ptr<float>() + n * shape.channels,
                        affine.shift.const_data_ptr<float>() + n * shape.channels, silu);
  });
}

GroupAffine affine_of(const Shape& shape, const Statistics& statistics, const torch::Tensor& weight,
                      const torch::Tensor& bias) {
  GroupAffine all{at::empty({shape.pictures, shape.channels}, statistics.mean.options()),
                  at::empty({shape.pictures, shape.channels}, statistics.mean.options())};
  for (int64_t n = 0; n < shape.pictures; ++n) {
    const auto affine =
        affine_of(shape, statistics.mean.const_data_ptr<float>() + n * shape.groups,
                  statistics.deviation_inverse.const_data_ptr<float>() + n * shape.groups,
                  weight.const_data_ptr<float>(), bias.const_data_ptr<float>());
    std::copy(affine.scale.begin(), affine.scale.end(),
              all.scale.mutable_data_ptr<float>() + n * shape.channels);
    std::copy(affine.shift.begin(), affine.shift.end(),
              all.shift.mutable_data_ptr<float>() + n * shape.channels);
  }
  return all;
}

torch::Tensor applied(const torch::Tensor& x, const Shape& shape, const GroupAffine& affine,
                      bool silu) {
  auto y = at::empty_like(x);
  if (x.scalar_type() == at::kFloat) {
    apply_to_pictures<float>(x, shape, affine, silu, y);
  } else {
    apply_to_pictures<c10::BFloat16>(x, shape, affine, silu, y);
  }
  return y;
}

struct Backward {
  torch::Tensor x, weight, bias;
};

template <typename T>
void backward_pictures(const torch::Tensor& x, const torch::Tensor& dy, const Shape& shape,
                       const torch::Tensor& mean, const torch::Tensor& deviation_inverse,
                       const torch::Tensor& weight, const torch::Tensor& bias, bool silu,
                       Backward& result) {
  const int64_t size = shape.channels * shape.pixels, group_size = shape.group_size();
  const T* in = x.const_data_ptr<T>();
  const T* change = dy.const_data_ptr<T>();
  T* out = result.x.mutable_data_ptr<T>();
  const float* w = weight.const_data_ptr<float>();
  float* dw = result.weight.mutable_data_ptr<float>();  // [N,C], summed by the caller
  float* db = result.bias.mutable_data_ptr<float>();
  const auto count = static_cast<double>(group_size * shape.pixels);
  at::parallel_for(0, shape.pictures, 1, [&](int64_t first, int64_t last) {
    const auto channels = static_cast<std::size_t>(shape.channels);
    std::vector<double> sum(channels), product(channels);
    std::vector<float> slope(channels), offset(channels);
    for (int64_t n = first; n < last; ++n) {
      const float* mean_n = mean.const_data_ptr<float>() + n * shape.groups;
      const float* inverse_n = deviation_inverse.const_data_ptr<float>() + n * shape.groups;
      const auto affine = affine_of(shape, mean_n, inverse_n, w, bias.const_data_ptr<float>());
      std::fill(sum.begin(), sum.end(), 0);
      std::fill(product.begin(), product.end(), 0);
      norm_kernels::differentiate(in + n * size, change + n * size, out + n * size, shape.pixels,
                                  shape.channels, affine.scale.data(), affine.shift.data(), silu,
                                  sum.data(), product.data());
      for (int64_t group = 0; group < shape.groups; ++group) {
        const double centre = mean_n[group], inverse = inverse_n[group];
        double weighted_sum = 0, weighted_product = 0;
        for (int64_t c = group * group_size; c < (group + 1) * group_size; ++c) {
          const auto at = static_cast<std::size_t>(c);
          weighted_sum += w[c] * sum[at];
          weighted_product += w[c] * product[at];
          dw[n * shape.channels + c] =
              static_cast<float>((product[at] - centre * sum[at]) * inverse);
          db[n * shape.channels + c] = static_cast<float>(sum[at]);
        }
        // Through mean and deviation: dx gets slope · x + offset besides scale · d.
        const double through =
            (weighted_sum * centre - weighted_product) * inverse * inverse * inverse / count;
        for (int64_t c = group * group_size; c < (group + 1) * group_size; ++c) {
          slope[static_cast<std::size_t>(c)] = static_cast<float>(through);
          offset[static_cast<std::size_t>(c)] =
              static_cast<float>(-through * centre - weighted_sum * inverse / count);
        }
      }
      norm_kernels::combine(in + n * size, out + n * size, shape.pixels, shape.channels,
                            affine.scale.data(), slope.data(), offset.data());
    }
  });
}

class GroupNormFunction : public torch::autograd::Function<GroupNormFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               int64_t groups, double eps, bool silu) {
    const auto shape = shape_of(x, groups);
    const auto statistics = statistics_of(x, shape, eps);
    context->save_for_backward({x, weight, bias, statistics.mean, statistics.deviation_inverse});
    context->saved_data["groups"] = groups;
    context->saved_data["silu"] = silu;
    return applied(x, shape, affine_of(shape, statistics, weight, bias), silu);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list changes) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &bias = saved[2];
    const auto shape = shape_of(x, context->saved_data["groups"].toInt());
    const bool silu = context->saved_data["silu"].toBool();
    const auto dy = changes[0].to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    const auto per_picture = weight.options();
    Backward result{at::empty_like(x), at::empty({shape.pictures, shape.channels}, per_picture),
                    at::empty({shape.pictures, shape.channels}, per_picture)};
    if (x.scalar_type() == at::kFloat) {
      backward_pictures<float>(x, dy, shape, saved[3], saved[4], weight, bias, silu, result);
    } else {
      backward_pictures<c10::BFloat16>(x, dy, shape, saved[3], saved[4], weight, bias, silu,
                                       result);
    }
    return {result.x, result.weight.sum(0), result.bias.sum(0), {}, {}, {}};
  }
};

}  // namespace

namespace {

bool is_fast(const torch::Tensor& x, const GroupNormOptions& options) {
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 && options.weight.is_cpu() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

torch::Tensor as_float(const torch::Tensor& values) {
  return as_constant(values.to(at::kFloat).contiguous());
}

}  // namespace

GroupAffine group_affine(const torch::Tensor& x, const GroupNormOptions& options) {
  const auto maps = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto shape = shape_of(maps, options.groups);
  return affine_of(shape, statistics_of(maps, shape, options.eps), as_float(options.weight),
                   as_float(options.bias));
}

void GroupMoments::add(const torch::Tensor& rows) {
  const auto maps = rows.contiguous(at::MemoryFormat::ChannelsLast);
  const auto shape = shape_of(maps, /*groups=*/1);
  const auto moments = moments_of(maps, shape);
  for (std::size_t i = 0; i < moments_.size(); ++i) moments_[i] += moments.at(i);
  pixels_ += shape.pixels;
}

GroupAffine GroupMoments::affine(const GroupNormOptions& options) const {
  const auto channels = static_cast<int64_t>(moments_.size()) / 2;
  const Shape shape{1, channels, pixels_, options.groups};
  return affine_of(shape, statistics_of(moments_, shape, options.eps), as_float(options.weight),
                   as_float(options.bias));
}

torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options) {
  if (gpu::norms(x, options)) return gpu::group_norm(x, options);
  if (!is_fast(x, options)) {
    const auto y =
        at::group_norm(x, options.groups, as_constant(options.weight.to(x.scalar_type())),
                       as_constant(options.bias.to(x.scalar_type())), options.eps);
    return options.silu ? at::silu(y) : y;
  }
  const auto maps = x.contiguous(at::MemoryFormat::ChannelsLast);
  if (!c10::GradMode::is_enabled()) {
    return applied(maps, shape_of(maps, options.groups), group_affine(maps, options), options.silu);
  }
  return GroupNormFunction::apply(maps, as_float(options.weight), as_float(options.bias),
                                  options.groups, options.eps, options.silu);
}

}  // namespace sd
