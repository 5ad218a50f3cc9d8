#include "pipeline/batch_rows.h"

#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

BatchRows BatchRows::of(const DrawRequest& request) {
  if (request.targets.empty() || request.targets.front().empty()) {
    throw UsageError("no prompts given");
  }
  const std::size_t samples = request.targets.front().size();
  const auto check = [&](const std::vector<std::string>& prompts, const char* branch) {
    if (prompts.size() == samples) return;
    throw UsageError(fmt::format("a {} has {} prompts, the first target {}; expected one a sample",
                                 branch, prompts.size(), samples));
  };
  for (const auto& target : request.targets) check(target, "target");
  if (!request.source.empty()) check(request.source, "source");
  const auto check_list = [&](std::size_t values, const char* what) {
    if (values == 0 || values == samples) return;
    throw UsageError(
        fmt::format("{} {} for {} samples; expected none or one each", values, what, samples));
  };
  check_list(request.guidance_scales.size(), "guidance scales");
  check_list(request.negative_prompts.size(), "negative prompts");
  check_list(request.seeds.size(), "seeds");
  return {static_cast<int64_t>(request.targets.size()), static_cast<int64_t>(samples),
          !request.source.empty()};
}

torch::Tensor BatchRows::spread(const torch::Tensor& one_a_sample) const {
  return one_a_sample.repeat({total() / samples, 1, 1, 1});
}

std::vector<RowGroup> BatchRows::groups(GuidancePass pass, int64_t begin, int64_t part) const {
  const bool conditional = pass == GuidancePass::kConditional;
  const bool pictured = pass != GuidancePass::kBlind;
  std::vector<RowGroup> groups;
  for (int64_t target = 0; target < targets; ++target, begin += samples) {
    groups.push_back(
        {RowGroup::Branch::kTarget, conditional, begin, samples, target, pictured, part});
  }
  if (source)
    groups.push_back({RowGroup::Branch::kSource, conditional, begin, samples, 0, pictured, part});
  return groups;
}

std::vector<std::string> BatchRows::prompts(const DrawRequest& request) {
  std::vector<std::string> all;
  for (const auto& target : request.targets) all.insert(all.end(), target.begin(), target.end());
  all.insert(all.end(), request.source.begin(), request.source.end());
  return all;
}

}  // namespace sd
