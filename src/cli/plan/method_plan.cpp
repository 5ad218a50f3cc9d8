#include "cli/plan/method_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <numeric>
#include <tuple>
#include <utility>

#include "sd/core/guide_steps.h"
#include "sd/core/row_sharing_settings.h"

namespace sd::cli {
namespace {

using enum MatchedWord::Where;

constexpr int64_t kStatedSide = 64;  // of latents, for which sides of layers are stated

using LayerTest = std::function<bool(const AttentionLayer&)>;

PlannedControl control_of(ControlKind kind, std::string option, StepShare steps = {}) {
  PlannedControl control;
  control.kind = kind;
  control.option = std::move(option);
  control.steps = steps;
  return control;
}

void choose_layers(PlannedControl& control, const DrawPlan& plan, const LayerTest& chosen) {
  const auto all = attention_layers(plan.model->config.unet);
  control.of_layers = all.size();
  std::ranges::copy_if(all, std::back_inserter(control.layers), chosen);
}

/// As in_fine_decoder of the pipeline says: the decoder's, of the two finest sizes.
LayerTest fine_decoder(const UNetConfig& unet) {
  const auto finest = std::ranges::min(unet.attention_resolutions);
  return [finest](const AttentionLayer& layer) {
    return layer.part == LayerName::Part::kUp && layer.downsampling <= 2 * finest;
  };
}

/// The second block of the decoder's second level.
int64_t first_of_plug_and_play(const UNetConfig& unet) { return unet.num_res_blocks + 2; }

void add_masactrl(const DrawPlan& plan, const MasaCtrlSettings& settings,
                  std::vector<PlannedControl>& planned) {
  auto control = control_of(ControlKind::kMasaCtrl, "--masactrl", settings.steps);
  choose_layers(control, plan, fine_decoder(plan.model->config.unet));
  planned.push_back(std::move(control));
  const auto& words = plan.options.sharing.masactrl_mask;
  if (words.empty()) return;
  auto mask = control_of(ControlKind::kMasaCtrlMask, "--masactrl-mask", settings.steps);
  for (const auto& word : words) {
    match(mask.words, plan, word, kTarget);
    match(mask.words, plan, word, kSource);
  }
  const auto side = plan.options.sharing.masactrl_res.value_or(kPublishedBlendRes);
  choose_layers(mask, plan, [factor = kStatedSide / side](const AttentionLayer& layer) {
    return layer.downsampling == factor;
  });
  planned.push_back(std::move(mask));
}

void add_plug_and_play(const DrawPlan& plan, const PlugAndPlaySettings& settings,
                       std::vector<PlannedControl>& planned) {
  const auto first = first_of_plug_and_play(plan.model->config.unet);
  if (settings.attention > 0) {
    auto control = control_of(ControlKind::kPlugAndPlay, "--pnp", {0, settings.attention});
    choose_layers(control, plan, [first](const AttentionLayer& layer) {
      return layer.part == LayerName::Part::kUp && layer.block >= first;
    });
    planned.push_back(std::move(control));
  }
  if (settings.features > 0) {
    auto control =
        control_of(ControlKind::kPlugAndPlayFeatures, "--pnp-features", {0, settings.features});
    control.subject = fmt::format("up {}", first);
    planned.push_back(std::move(control));
  }
}

/// The layers of a reference: of most channels first, a share of all.
void add_reference(const DrawPlan& plan, const ReferenceSettings& settings,
                   std::vector<PlannedControl>& planned) {
  auto control = control_of(ControlKind::kReference, "--reference", settings.steps);
  const auto& unet = plan.model->config.unet;
  auto layers = attention_layers(unet);
  control.of_layers = layers.size();
  std::ranges::stable_sort(layers, std::ranges::greater(), [&](const AttentionLayer& layer) {
    const auto level = std::countr_zero(static_cast<uint64_t>(layer.downsampling));
    return unet.channel_mult.at(static_cast<std::size_t>(level));
  });
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (static_cast<double>(i) / static_cast<double>(layers.size()) < settings.weight)
      control.layers.push_back(layers[i]);
  }
  planned.push_back(std::move(control));
}

/// The layers whose maps guides look at.
LayerTest seen_by_guides(const DrawPlan& plan, bool backward) {
  const int64_t factor = kStatedSide / plan.options.guides.guide_res.value();
  const int64_t side = std::min(plan.width(), plan.height()) / plan.options.f;
  return [=](const AttentionLayer& layer) {
    if (!backward) return layer.downsampling == factor;
    if (layer.part == LayerName::Part::kMiddle)
      return side / layer.downsampling >= kBoxGuidanceLeastSide;
    return layer.part == LayerName::Part::kUp && layer.downsampling == factor;
  };
}

/// How much of a grey picture is white, 0 to 1.
double white_of(const Image& mask) {
  const auto sum = std::accumulate(mask.pixels.begin(), mask.pixels.end(), int64_t{0});
  return static_cast<double>(sum) / (255 * static_cast<double>(mask.pixels.size()));
}

void add_regions(const DrawPlan& plan, std::vector<PlannedControl>& planned) {
  for (std::size_t i = 0; i < plan.regions.regions.size(); ++i) {
    auto region = control_of(ControlKind::kRegion, "--region");
    region.number = i;
    region.subject = plan.regions.regions[i].prompt;
    region.covers = white_of(plan.regions.regions[i].sized({plan.width(), plan.height()}));
    planned.push_back(std::move(region));
  }
}

void add_concepts(const DrawPlan& plan, std::vector<PlannedControl>& planned) {
  const int64_t side = std::min(plan.width(), plan.height()) / plan.options.f;
  const auto factor = kStatedSide / default_blend_res(plan.model->config, side);
  std::size_t number = 0;  // as guidance counts them
  for (const auto& edit : plan.options.concept_edits) {
    if (edit.scale == 0) continue;
    auto control = control_of(ControlKind::kConcept, "--edit", edit.steps);
    control.number = number++;
    control.subject.assign(1, edit.scale > 0 ? '+' : '-');
    match(control.words, plan, edit.concept_text, kItself);
    choose_layers(control, plan,
                  [factor](const AttentionLayer& layer) { return layer.downsampling == factor; });
    planned.push_back(std::move(control));
  }
}

}  // namespace

void add_sharing(const DrawPlan& plan, std::vector<PlannedControl>& planned) {
  const auto settings = plan.options.sharing.settings();
  if (settings.masactrl) add_masactrl(plan, *settings.masactrl, planned);
  if (settings.pnp) add_plug_and_play(plan, *settings.pnp, planned);
  if (settings.appearance) {
    const auto& [finest, second] =
        std::tie(settings.appearance->finest, settings.appearance->second);
    auto control =
        control_of(ControlKind::kAppearance, "--appearance",
                   {std::min(finest.begin, second.begin), std::max(finest.end, second.end)});
    choose_layers(control, plan, fine_decoder(plan.model->config.unet));
    planned.push_back(std::move(control));
  }
  if (settings.reference) add_reference(plan, *settings.reference, planned);
  if (settings.style_aligned) {
    auto control =
        control_of(ControlKind::kStyleAligned, "--style-aligned", settings.style_aligned->steps);
    choose_layers(control, plan, [](const AttentionLayer&) { return true; });
    planned.push_back(std::move(control));
  }
}

void add_guides(const DrawPlan& plan, std::vector<PlannedControl>& planned) {
  const auto& guides = plan.options.guides;
  if (!guides.boxes.empty()) {
    const bool backward = guides.box_method == BoxMethod::kBackward;
    auto box =
        control_of(ControlKind::kBox, "--box", {0, backward ? kBoxGuidanceUntil : kRefiningUntil});
    std::vector<std::string> words;
    for (const auto& [word, place] : guides.boxes) {
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    for (const auto& word : words) match(box.words, plan, word, kTarget);
    choose_layers(box, plan, seen_by_guides(plan, backward));
    planned.push_back(std::move(box));
  }
  if (guides.excite.empty()) return;
  auto excite = control_of(ControlKind::kExcite, "--excite", {0, kRefiningUntil});
  for (const auto& word : guides.excite) match(excite.words, plan, word, kTarget);
  choose_layers(excite, plan, seen_by_guides(plan, false));
  planned.push_back(std::move(excite));
}

void add_places(const DrawPlan& plan, std::vector<PlannedControl>& planned) {
  add_regions(plan, planned);
  add_concepts(plan, planned);
  const auto& input = plan.options.input;
  if (!input.masks()) return;
  auto mask = control_of(ControlKind::kMask, input.auto_mask   ? "--auto-mask"
                                             : input.edit_mask ? "--edit-mask"
                                                               : "--init-mask");
  const auto& file = input.edit_mask ? input.edit_mask : input.init_mask;
  if (!input.auto_mask && file) mask.subject = file->filename().string();
  planned.push_back(std::move(mask));
}

void add_inversion(const DrawPlan& plan, std::vector<PlannedControl>& planned) {
  const auto& options = plan.options;
  const auto& method = options.inversion.method;
  if (options.task != DrawTask::kSwap || !method) return;
  // All steps that are drawn, as steps of other controls are shares of these.
  auto inversion =
      control_of(ControlKind::kInversion, options.inversion.file        ? "--inversion"
                                          : options.given.has("invert") ? "--invert"
                                                                        : "--init-img");
  inversion.subject = name_of(*method);
  planned.push_back(std::move(inversion));
  if (*method != InversionMethod::kNegativePrompt || options.inversion.proximal <= 0) return;
  auto proximal = control_of(ControlKind::kProximal, "--proximal");
  if (options.inversion.proximal_norm == ProximalNorm::kL1) proximal.subject = "l1";
  planned.push_back(std::move(proximal));
}

}  // namespace sd::cli
