#include "pipeline/control_run.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "pipeline/inversion_draw.h"
#include "sd/core/error.h"
#include "sd/models/control_net.h"
#include "sd/models/t2i_adapter.h"
#include "sd/nn/equal_rows.h"
#include "sd/pipeline/load.h"

namespace sd {
namespace {

constexpr double kSoftening = 0.825;  // cldm's guess mode: one block up
// sd-webui-controlnet's soft weights of the four levels of an adapter.
constexpr std::array<double, 4> kAdapterSoftening = {0.25, 0.62, 0.825, 1.0};

bool acts(const ControlStrength& strength, const StepInfo& step) {
  const auto count = static_cast<double>(step.num_steps);
  const auto at = static_cast<double>(step.step);
  return strength.weight != 0 && strength.begin <= at / count && (at + 1) / count <= strength.end;
}

/// Whether only conditional rows have it.
bool spares_unconditional(const ControlUse& use) {
  return use.control->pools || use.strength.mode == ControlMode::kControl;
}

/// Weight of residual i, of which the middle block's is number `last`.
double weight_of(const ControlUse& use, std::size_t i, std::size_t last) {
  const auto& [weight, begin, end, mode] = use.strength;
  if (mode == ControlMode::kBalanced || use.control->pools) return weight;
  return weight * std::pow(kSoftening, static_cast<double>(last - i));
}

double level_weight_of(const ControlUse& use, std::size_t level, std::size_t levels) {
  if (use.strength.mode == ControlMode::kBalanced) return use.strength.weight;
  const auto behind = levels - 1 - level;  // the deepest is whole
  return use.strength.weight * (behind < kAdapterSoftening.size()
                                    ? kAdapterSoftening[kAdapterSoftening.size() - 1 - behind]
                                    : kAdapterSoftening.front());
}

/// Whether the rows stand together.
bool are_together(const std::vector<int64_t>& rows) {
  return rows.back() - rows.front() + 1 == static_cast<int64_t>(rows.size());
}

torch::Tensor index_of(const std::vector<int64_t>& rows, const torch::Tensor& like) {
  return at::tensor(rows, at::kLong).to(like.device());
}

/// These rows of `all`.
torch::Tensor taken(const torch::Tensor& all, const std::vector<int64_t>& rows) {
  const auto count = static_cast<int64_t>(rows.size());
  if (count == all.size(0)) return all;
  return are_together(rows) ? all.narrow(0, rows.front(), count)
                            : all.index_select(0, index_of(rows, all));
}

/// `part` as rows of a batch where all others are 0.
torch::Tensor among(const torch::Tensor& part, const std::vector<int64_t>& rows, int64_t count) {
  if (static_cast<int64_t>(rows.size()) == count) return part;
  auto shape = part.sizes().vec();
  shape[0] = count;
  auto all = at::zeros(shape, part.options());
  if (are_together(rows)) {
    all.narrow(0, rows.front(), static_cast<int64_t>(rows.size())).copy_(part);
    return all;
  }
  return all.index_copy_(0, index_of(rows, part), part);
}

void add(torch::Tensor& sum, torch::Tensor more, const std::vector<int64_t>& same_as) {
  if (!sum.defined()) {
    sum = std::move(more);
  } else if (sum.size(0) == more.size(0)) {
    sum = sum + more;
  } else {
    sum = all_rows(sum, same_as) + all_rows(more, same_as);
  }
}

void check(const ControlUse& use, int64_t height, int64_t width) {
  const auto& picture = use.picture;
  const auto& [weight, begin, end, mode] = use.strength;
  if (!std::isfinite(weight) || !(begin >= 0 && begin <= end && end <= 1)) {
    throw UsageError(fmt::format(
        "controls: weight {} from {} to {}, expected a number and fractions of the steps", weight,
        begin, end));
  }
  const bool fits = picture.dim() == 4 && picture.size(0) == 1 && picture.size(1) == 3 &&
                    picture.size(2) == height && picture.size(3) == width;
  if (fits) return;
  throw UsageError(fmt::format("controls: a picture of shape {}, expected [1, 3, {}, {}]",
                               fmt::join(picture.sizes(), ", "), height, width));
}

/// RGB as one channel, as Pillow's "L" weighs it.
torch::Tensor grey(const torch::Tensor& picture) {
  return (0.299 * picture.narrow(1, 0, 1) + 0.587 * picture.narrow(1, 1, 1) +
          0.114 * picture.narrow(1, 2, 1));
}

}  // namespace

ControlRun::ControlRun(const LoadedModel& model, const std::vector<ControlUse>& uses,
                       const std::vector<double>& timesteps, int64_t height, int64_t width,
                       std::vector<bool> acting, bool negated)
    : acting_(std::move(acting)), negated_(negated) {
  for (const auto& use : uses) {
    check(use, height, width);
    Net net{.use = use,
            .hint = {},
            .features = {},
            .times = TimeTable(timesteps),
            .shown = {},
            .own = {}};
    const auto picture = use.picture.to(torch::Device(model.device), at::kFloat);
    if (use.control->net) {
      net.hint = use.control->net->hint(picture).to(model.compute_dtype);
    } else {
      auto& adapter = *use.control->adapter;
      const bool one = adapter.config().picture_channels() == 1;
      for (const auto& feature : adapter.forward(one ? grey(picture) : picture))
        net.features.push_back(feature.to(model.compute_dtype));
    }
    nets_.push_back(std::move(net));
  }
}

/// The rows of a call to which a net adds: those that act, and of some nets the conditional ones.
std::vector<int64_t> ControlRun::rows_of(const Net& net, const ForwardContext& run,
                                         int64_t rows) const {
  std::vector<bool> sees(static_cast<std::size_t>(rows),
                         negated_ || !spares_unconditional(net.use));
  for (const auto& group : run.rows) {
    if (!group.conditional) continue;
    std::fill_n(sees.begin() + group.begin, group.count, true);
  }
  std::vector<int64_t> found;
  for (std::size_t row = 0; row < sees.size(); ++row) {
    const bool acts = acting_.empty() || acting_[row % acting_.size()];
    if (sees[row] && acts) found.push_back(static_cast<int64_t>(row));
  }
  return found;
}

void ControlRun::add_net(Net& net, const torch::Tensor& latents, const torch::Tensor& t,
                         const torch::Tensor& context, const ForwardContext& run) {
  const int64_t rows = latents.size(0);
  const auto which = rows_of(net, run, rows);
  if (which.empty()) return;
  const bool all = static_cast<int64_t>(which.size()) == rows;
  if (!net.shown.is_same(context)) {
    net.shown = context;
    net.own = taken(context, which);
  }
  ForwardContext own;
  own.step = run.step;
  own.prompt = &net.prompt;
  own.times = &net.times;
  own.time_row = run.time_row;
  const auto shown = taken(latents, which);
  own.same_as = all ? run.same_as : std::vector<int64_t>{};
  auto made = net.use.control->net->forward(shown, t, net.own, net.hint, own);
  const std::size_t last = made.skips.size();
  const auto finish = [&](torch::Tensor residual, std::size_t i) {
    if (net.use.control->pools) residual = residual.mean({2, 3}, /*keepdim=*/true);
    return among(weight_of(net.use, i, last) * residual, which, rows);
  };
  sum_.skips.resize(last);
  for (std::size_t i = 0; i < last; ++i) add(sum_.skips[i], finish(made.skips[i], i), run.same_as);
  add(sum_.middle, finish(made.middle, last), run.same_as);
}

void ControlRun::add_adapter(Net& net, int64_t rows, const ForwardContext& run) {
  const auto which = rows_of(net, run, rows);
  if (which.empty()) return;
  const auto count = static_cast<int64_t>(which.size());
  sum_.levels.resize(net.features.size());
  for (std::size_t i = 0; i < net.features.size(); ++i) {
    torch::Tensor feature = level_weight_of(net.use, i, net.features.size()) * net.features[i];
    if (count != rows) feature = among(feature.expand({count, -1, -1, -1}), which, rows);
    auto& sum = sum_.levels[i];
    sum = sum.defined() ? sum + feature : feature;
  }
}

const ControlResiduals* ControlRun::residuals(const torch::Tensor& input, const torch::Tensor& t,
                                              const torch::Tensor& context,
                                              const ForwardContext& run) {
  sum_ = {};
  for (auto& net : nets_) {
    if (!acts(net.use.strength, run.step)) continue;
    if (net.hint.defined()) {
      const auto latents = input.narrow(1, 0, net.use.control->net->config().in_channels);
      add_net(net, latents, t, context, run);
    } else {
      add_adapter(net, input.size(0), run);
    }
  }
  return sum_.empty() ? nullptr : &sum_;
}

std::shared_ptr<ControlRun> control_run_of(const LoadedModel& model, const DrawRequest& request,
                                           const std::vector<double>& timesteps,
                                           const torch::Tensor& latents) {
  if (request.controls.empty()) return nullptr;
  const int64_t factor = model.config.vae.factor();
  const bool negated = negates_source(request) && !request.inversion->controls.empty();
  return std::make_shared<ControlRun>(model, request.controls, timesteps, factor * latents.size(2),
                                      factor * latents.size(3), rows_with_controls(request),
                                      negated);
}

}  // namespace sd
