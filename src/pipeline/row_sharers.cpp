// The methods that are made of rows looking at other rows.
#include "pipeline/row_sharers.h"

#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "control/rows.h"
#include "pipeline/self_attention_sites.h"

namespace sd {
namespace {

using Groups = std::vector<RowGroup>;

/// Calls f(target's row, source's row, group of the target, number within it) for every row of a
/// target that has a source beside it.
template <typename F>
void for_each_pair(const Groups& rows, F f) {
  for (const auto& target : rows) {
    if (target.branch != RowGroup::Branch::kTarget) continue;
    const auto* source = source_beside(target, rows);
    if (source == nullptr) continue;
    for (int64_t i = 0; i < target.count; ++i) f(target.begin + i, source->begin + i, target, i);
  }
}

/// A map [h,w] by the nearest pixels of a layer's grid: [Q].
torch::Tensor on_grid(const torch::Tensor& map, const AttentionCall& call) {
  return at::upsample_nearest2d(map.unsqueeze(0).unsqueeze(0), {call.height, call.width}).flatten();
}

/// Adds nothing to keys that are seen.
torch::Tensor bias_of(const torch::Tensor& seen) {
  return at::zeros(seen.sizes(), seen.options().dtype(at::kFloat))
      .masked_fill(~seen, -std::numeric_limits<double>::infinity());
}

/// Every fifth of the first steps, as published.
bool keeps_structure(const AppearanceSettings& settings, const StepInfo& step) {
  return settings.structure.contains(step.step, step.num_steps) &&
         step.step % AppearanceSettings::kStructureEvery == 0;
}

class MasaCtrl final : public RowSharer {
 public:
  MasaCtrl(const RowSharing& sharing, UNetConfig unet)
      : settings_(*sharing.masactrl), masks_(sharing.masks), unet_(std::move(unet)) {}

  bool acts(const AttentionSite& site, const StepInfo& step, const Groups& rows) const override {
    return !rows.empty() && settings_.steps.contains(step.step, step.num_steps) &&
           in_fine_decoder(site, unet_);
  }

  std::vector<SharedRow> rows(const AttentionCall& call) const override {
    std::vector<SharedRow> shared;
    for_each_pair(call.rows, [&](int64_t row, int64_t source, const RowGroup& group, int64_t i) {
      SharedRow target{row, row, {{source, source}}};
      if (masks_ != nullptr) look_by_masks(target, call, group, i);
      shared.push_back(std::move(target));
    });
    return shared;
  }

 private:
  /// Pixels of the object look at the source's object, others at what is around it, as much as they
  /// are either.
  void look_by_masks(SharedRow& row, const AttentionCall& call, const RowGroup& group,
                     int64_t sample) const {
    const auto source = masks_->map(RowGroup::Branch::kSource, 0);
    const auto target = masks_->map(RowGroup::Branch::kTarget, group.target);
    if (!source.defined() || !target.defined()) return;
    const auto object = on_grid(source[sample], call) >= settings_.mask_threshold;
    const auto share = on_grid(target[sample], call);
    row.looks = {{bias_of(object), share}, {bias_of(~object), 1 - share}};
  }

  MasaCtrlSettings settings_;
  std::shared_ptr<const WordMasks> masks_;
  UNetConfig unet_;
};

class PlugAndPlay final : public RowSharer {
 public:
  PlugAndPlay(const PlugAndPlaySettings& settings, const UNetConfig& unet)
      : settings_(settings), first_(second_level_block(unet)) {}

  bool acts(const AttentionSite& site, const StepInfo& step, const Groups& rows) const override {
    return !rows.empty() && begins(settings_.attention, step) && site.part == UNetPart::kUp &&
           site.block >= first_;
  }

  std::vector<SharedRow> rows(const AttentionCall& call) const override {
    std::vector<SharedRow> shared;
    for_each_pair(call.rows, [&](int64_t row, int64_t source, const RowGroup&, int64_t) {
      shared.push_back({row, source, {{source, row}}});
    });
    return shared;
  }

  std::vector<int64_t> features(int64_t output_block, const StepInfo& step, const Groups& rows,
                                int64_t count) const override {
    if (output_block != first_ || !begins(settings_.features, step)) return {};
    std::vector<int64_t> taken(static_cast<std::size_t>(count));
    std::iota(taken.begin(), taken.end(), 0);
    for_each_pair(rows, [&](int64_t row, int64_t source, const RowGroup&, int64_t) {
      taken.at(static_cast<std::size_t>(row)) = source;
    });
    return taken;
  }

 private:
  static bool begins(double share, const StepInfo& step) {
    return StepShare{0, share}.contains(step.step, step.num_steps);
  }

  PlugAndPlaySettings settings_;
  int64_t first_;
};

class Reference final : public RowSharer {
 public:
  Reference(const ReferenceSettings& settings, const UNetConfig& unet) : settings_(settings) {
    auto sites = self_attention_sites(unet);
    std::ranges::stable_sort(sites, std::ranges::greater(), &SelfAttentionSite::width);
    const auto count = static_cast<double>(sites.size());
    for (std::size_t i = 0; i < sites.size(); ++i) {
      if (static_cast<double>(i) / count < settings.weight) sites_.push_back(sites[i].site);
    }
  }

  bool acts(const AttentionSite& site, const StepInfo& step, const Groups& rows) const override {
    return !rows.empty() && settings_.steps.contains(step.step, step.num_steps) &&
           std::ranges::any_of(sites_, [&](const AttentionSite& one) {
             return one.part == site.part && one.block == site.block && one.depth == site.depth;
           });
  }

  std::vector<SharedRow> rows(const AttentionCall& call) const override {
    std::vector<SharedRow> shared;
    for (const auto& group : call.rows) {
      for (int64_t row = group.begin; row < group.begin + group.count; ++row) {
        SharedRow one{row, row, {{row, row}, {row, row, /*noted=*/true}}};
        if (!group.conditional) look_faithfully(one, call);
        shared.push_back(std::move(one));
      }
    }
    return shared;
  }

 private:
  void look_faithfully(SharedRow& row, const AttentionCall& call) const {
    const double share = settings_.fidelity;
    if (share == 0) return;
    if (share == 1) {
      row.keys.pop_back();
      return;
    }
    const auto keys = call.height * call.width;
    auto own = at::zeros({2 * keys}, at::TensorOptions().dtype(at::kFloat));
    own.narrow(0, keys, keys).fill_(-std::numeric_limits<float>::infinity());
    row.looks = {{own, {}, share}, {{}, {}, 1 - share}};
  }

  ReferenceSettings settings_;
  std::vector<AttentionSite> sites_;
};

class StyleAligned final : public RowSharer {
 public:
  explicit StyleAligned(const StyleAlignedSettings& settings) : settings_(settings) {}

  bool acts(const AttentionSite&, const StepInfo& step, const Groups& rows) const override {
    return settings_.steps.contains(step.step, step.num_steps) &&
           std::ranges::any_of(rows, [](const RowGroup& group) { return group.count > 1; });
  }

  std::vector<SharedRow> rows(const AttentionCall& call) const override {
    std::vector<SharedRow> shared;
    for (const auto& group : call.rows) {
      // The first would see its own keys twice, which is as seeing them once.
      for (int64_t row = group.begin + 1; row < group.begin + group.count; ++row) {
        SharedRow one{row, row, {{row, row}, {group.begin, group.begin}}};
        one.style = group.begin;
        shared.push_back(std::move(one));
      }
    }
    return shared;
  }

 private:
  StyleAlignedSettings settings_;
};

class Appearance final : public RowSharer {
 public:
  Appearance(const RowSharing& sharing, UNetConfig unet)
      : settings_(*sharing.appearance),
        has_picture_(sharing.appearance_picture != nullptr),
        unet_(std::move(unet)) {}

  bool acts(const AttentionSite& site, const StepInfo& step, const Groups& rows) const override {
    if (rows.empty() || !in_fine_decoder(site, unet_)) return false;
    const bool finest = site.downsampling == std::ranges::min(unet_.attention_resolutions);
    return (finest ? settings_.finest : settings_.second).contains(step.step, step.num_steps);
  }

  /// Of the prompt's rows alone, as published: guidance goes away from what is drawn without.
  std::vector<SharedRow> rows(const AttentionCall& call) const override {
    std::vector<SharedRow> shared;
    const bool structure = keeps_structure(settings_, call.step);
    for_each_pair(call.rows, [&](int64_t row, int64_t source, const RowGroup& group, int64_t) {
      if (!group.conditional) return;
      // A picture's own keys are noted in every row; beside one the source is the structure.
      const int64_t keys = structure == has_picture_ ? source : row;
      SharedRow target{row, row, {{keys, keys, has_picture_ && !structure}}};
      target.contrast = settings_.contrast;
      shared.push_back(std::move(target));
    });
    return shared;
  }

 private:
  AppearanceSettings settings_;
  bool has_picture_;  // beside the source, which is the structure then
  UNetConfig unet_;
};

}  // namespace

bool looks_at_appearance(const AppearanceSettings& settings, const StepInfo& step) {
  const bool acts = settings.finest.contains(step.step, step.num_steps) ||
                    settings.second.contains(step.step, step.num_steps);
  return acts && !keeps_structure(settings, step);
}

std::shared_ptr<RowSharer> make_sharer(const RowSharing& sharing, const UNetConfig& unet) {
  if (sharing.masactrl) return std::make_shared<MasaCtrl>(sharing, unet);
  if (sharing.pnp) return std::make_shared<PlugAndPlay>(*sharing.pnp, unet);
  if (sharing.reference) return std::make_shared<Reference>(*sharing.reference, unet);
  if (sharing.style_aligned) return std::make_shared<StyleAligned>(*sharing.style_aligned);
  if (sharing.appearance) return std::make_shared<Appearance>(sharing, unet);
  return nullptr;
}

}  // namespace sd
