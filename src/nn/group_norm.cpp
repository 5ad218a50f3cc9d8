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

#include "nn/norm_kernels.h"

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

/// `offset`, where there is one, was added to the channels before.
Affine affine_of(const Shape& shape, const float* mean, const float* deviation_inverse,
                 const float* weight, const float* bias, const float* offset = nullptr) {
  Affine affine;
  affine.scale.resize(static_cast<std::size_t>(shape.channels));
  affine.shift.resize(affine.scale.size());
  for (int64_t c = 0; c < shape.channels; ++c) {
    const int64_t group = c / shape.group_size();
    const auto at = static_cast<std::size_t>(c);
    affine.scale[at] = weight[c] * deviation_inverse[group];
    const float centre = offset == nullptr ? mean[group] : mean[group] - offset[c];
    affine.shift[at] = bias[c] - centre * affine.scale[at];
  }
  return affine;
}

/// Mean and 1/deviation of each group from its channels' moments.
void group_statistics(const Shape& shape, double eps, const std::vector<double>& sum,
                      const std::vector<double>& square, float* mean, float* deviation_inverse) {
  const int64_t size = shape.group_size();
  const auto count = static_cast<double>(size * shape.pixels);
  for (int64_t group = 0; group < shape.groups; ++group) {
    double total = 0, total_square = 0;
    for (int64_t c = group * size; c < (group + 1) * size; ++c) {
      total += sum[static_cast<std::size_t>(c)];
      total_square += square[static_cast<std::size_t>(c)];
    }
    const double centre = total / count;
    const double variance = std::max(0.0, total_square / count - centre * centre);
    mean[group] = static_cast<float>(centre);
    deviation_inverse[group] = static_cast<float>(1 / std::sqrt(variance + eps));
  }
}

/// Makes the channels' moments those of x + offset.
void add_offset(const Shape& shape, const float* offset, std::vector<double>& sum,
                std::vector<double>& square) {
  if (offset == nullptr) return;
  const auto count = static_cast<double>(shape.pixels);
  for (std::size_t c = 0; c < sum.size(); ++c) {
    const double by = offset[c];
    square[c] += by * (2 * sum[c] + count * by);
    sum[c] += count * by;
  }
}

struct Forward {
  torch::Tensor y, mean, deviation_inverse;  // [N,C,h,w], [N,groups] float32 twice
};

template <typename T>
void forward_pictures(const torch::Tensor& x, const Shape& shape, const GroupNormOptions& options,
                      Forward& result) {
  const float* weight = options.weight.const_data_ptr<float>();
  const float* bias = options.bias.const_data_ptr<float>();
  const double eps = options.eps;
  const bool silu = options.silu;
  const auto offset_of = [&](int64_t n) {
    return options.offset.defined() ? options.offset.const_data_ptr<float>() + n * shape.channels
                                    : nullptr;
  };
  const int64_t size = shape.channels * shape.pixels;
  const T* in = x.const_data_ptr<T>();
  T* out = result.y.mutable_data_ptr<T>();
  float* mean = result.mean.mutable_data_ptr<float>();
  float* deviation_inverse = result.deviation_inverse.mutable_data_ptr<float>();
  // Few pictures are split into bands of pixels, so that all threads have work.
  const int64_t bands = shape.pictures >= at::get_num_threads()
                            ? 1
                            : std::min<int64_t>(at::get_num_threads(), shape.pixels);
  const int64_t band = (shape.pixels + bands - 1) / bands;
  const auto range = [&](int64_t i) {
    const int64_t begin = std::min(shape.pixels, i * band);
    return std::pair(begin, std::min(shape.pixels, begin + band) - begin);
  };
  for (int64_t n = 0; n < (bands == 1 ? 0 : shape.pictures); ++n) {
    const auto channels = static_cast<std::size_t>(shape.channels);
    std::vector<std::vector<double>> sums(static_cast<std::size_t>(bands)), squares(sums);
    at::parallel_for(0, bands, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const auto [begin, count] = range(i);
        auto& sum = sums[static_cast<std::size_t>(i)];
        auto& square = squares[static_cast<std::size_t>(i)];
        sum.assign(channels, 0);
        square.assign(channels, 0);
        norm_kernels::add_moments(in + n * size + begin * shape.channels, count, shape.channels,
                                  sum.data(), square.data());
      }
    });
    for (std::size_t i = 1; i < sums.size(); ++i) {
      for (std::size_t c = 0; c < channels; ++c) {
        sums[0][c] += sums[i][c];
        squares[0][c] += squares[i][c];
      }
    }
    float* const mean_n = mean + n * shape.groups;
    float* const inverse_n = deviation_inverse + n * shape.groups;
    add_offset(shape, offset_of(n), sums[0], squares[0]);
    group_statistics(shape, eps, sums[0], squares[0], mean_n, inverse_n);
    const auto affine = affine_of(shape, mean_n, inverse_n, weight, bias, offset_of(n));
    at::parallel_for(0, bands, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const auto [begin, count] = range(i);
        const int64_t offset = n * size + begin * shape.channels;
        norm_kernels::apply(in + offset, out + offset, count, shape.channels, affine.scale.data(),
                            affine.shift.data(), silu);
      }
    });
  }
  if (bands != 1) return;
  at::parallel_for(0, shape.pictures, 1, [&](int64_t first, int64_t last) {
    std::vector<double> sum(static_cast<std::size_t>(shape.channels)), square(sum.size());
    for (int64_t n = first; n < last; ++n) {
      std::fill(sum.begin(), sum.end(), 0);
      std::fill(square.begin(), square.end(), 0);
      norm_kernels::add_moments(in + n * size, shape.pixels, shape.channels, sum.data(),
                                square.data());
      float* const mean_n = mean + n * shape.groups;
      float* const inverse_n = deviation_inverse + n * shape.groups;
      add_offset(shape, offset_of(n), sum, square);
      group_statistics(shape, eps, sum, square, mean_n, inverse_n);
      const auto affine = affine_of(shape, mean_n, inverse_n, weight, bias, offset_of(n));
      norm_kernels::apply(in + n * size, out + n * size, shape.pixels, shape.channels,
                          affine.scale.data(), affine.shift.data(), silu);
    }
  });
}

/// weight, bias and offset are float32 here.
Forward forward(const torch::Tensor& x, const GroupNormOptions& options) {
  const auto shape = shape_of(x, options.groups);
  const auto statistics = x.options().dtype(at::kFloat);
  Forward result{at::empty_like(x), at::empty({shape.pictures, options.groups}, statistics),
                 at::empty({shape.pictures, options.groups}, statistics)};
  if (x.scalar_type() == at::kFloat) {
    forward_pictures<float>(x, shape, options, result);
  } else {
    forward_pictures<c10::BFloat16>(x, shape, options, result);
  }
  return result;
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
    auto result = sd::forward(x, {groups, weight, bias, eps, silu, {}});
    context->save_for_backward({x, weight, bias, result.mean, result.deviation_inverse});
    context->saved_data["groups"] = groups;
    context->saved_data["silu"] = silu;
    return result.y;
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

torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options) {
  const bool fast = x.is_cpu() && x.dim() == 4 && x.numel() > 0 && options.weight.is_cpu() &&
                    (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
  // In float32 the sum is made as the original makes it, so that pictures stay the same to the bit.
  const bool adds_apart = !fast || x.scalar_type() == at::kFloat || c10::GradMode::is_enabled();
  if (options.offset.defined() && adds_apart) {
    auto rest = options;
    rest.offset = torch::Tensor();
    return group_norm(x + options.offset.unsqueeze(-1).unsqueeze(-1), rest);
  }
  if (!fast) {
    const auto y = at::group_norm(x, options.groups, options.weight.to(x.scalar_type()),
                                  options.bias.to(x.scalar_type()), options.eps);
    return options.silu ? at::silu(y) : y;
  }
  const auto as_float = [](const torch::Tensor& values) {
    return values.defined() ? values.to(at::kFloat).contiguous() : values;
  };
  const auto maps = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto weight = as_float(options.weight), bias = as_float(options.bias);
  if (!c10::GradMode::is_enabled()) {
    return forward(maps, {options.groups, weight, bias, options.eps, options.silu,
                          as_float(options.offset)})
        .y;
  }
  return GroupNormFunction::apply(maps, weight, bias, options.groups, options.eps, options.silu);
}

}  // namespace sd
