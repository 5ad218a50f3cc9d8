#include "trainer/edit_run.h"

#include <ATen/ops/max_pool2d.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "sd/control/chain.h"
#include "sd/control/local_blend.h"
#include "sd/control/masked_swap.h"
#include "sd/core/error.h"
#include "sd/core/noise_source.h"
#include "sd/image/mask.h"
#include "sd/pipeline/auto_mask.h"
#include "sd/pipeline/blend_paste.h"

namespace sd::train {
namespace {

constexpr double kBlendThreshold = 0.5;  // as for swaps from noise (eval_swap.cpp)
constexpr int64_t kBlendRes = 64;
constexpr double kStrength = 0.75;  // what --strength is unless given
constexpr double kPasteMargin = 8;  // a latent's pixel
constexpr int64_t kFirstStart = 200'000;
// The published 0.9 leaves a concept a tenth of the pixels; objects of scenes fill a third.
constexpr double kConceptThreshold = 0.7;
constexpr double kConceptScale = 5;

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// The peak of this process's memory in MB since `forget_peak`.
double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// The words of a caption that name its object.
std::string object_words(const Caption& caption) {
  for (const auto& word : caption.words) {
    if (word.role == WordRole::kObject)
      return caption.text.substr(word.begin, word.end - word.begin);
  }
  throw Error(fmt::format("'{}' names no object", caption.text));
}

PictureSettings settings() {
  PictureSettings settings;
  settings.steps = kEvalSteps;
  settings.guidance_scale = kEvalGuidance;
  return settings;
}

bool blends(Editor editor) { return editor == Editor::kBlend || editor == Editor::kPaste; }

BatchControls controls_of(const LoadedModel& model, Editor editor, const EditCase& one) {
  if (editor != Editor::kSwap && !blends(editor)) return {};
  WordControls controls;
  if (blends(editor)) {
    controls.cross_box = {object_words(one.source)};
    controls.local_blend = {object_words(one.source), object_words(one.target)};
    controls.blend_threshold = kBlendThreshold;
    controls.blend_res = kBlendRes;
  }
  const std::vector<PromptSet> prompts = {{{one.target.text}, one.source.text}};
  return make_word_controls(controls, prompts, *model.tokenizer);
}

std::shared_ptr<const RowSharing> sharing_of(Editor editor) {
  RowSharing sharing;
  if (editor == Editor::kMasaCtrl) sharing.masactrl.emplace();
  if (editor == Editor::kPlugPlay) sharing.pnp.emplace();
  return sharing.count() == 0 ? nullptr : std::make_shared<const RowSharing>(sharing);
}

/// Where DiffEdit edits, [1,1,h,w], wider by a pixel: its masks are cut close.
torch::Tensor found_mask(const EvalContext& context, const EditCase& one, NoiseSource& noise) {
  AutoMaskRequest request;
  static_cast<PictureSettings&>(request) = settings();
  request.source = one.source.text;
  request.target = one.target.text;
  request.init_image = to_tensor(one.scene.picture);
  return at::max_pool2d(auto_mask(context.model, request, noise), 3, 1, 1);
}

/// Adds the new object and takes out the old one.
std::vector<ConceptEdit> concepts_of(const EditCase& one) {
  return {{object_words(one.target), kConceptScale, kConceptThreshold},
          {object_words(one.source), -kConceptScale, kConceptThreshold}};
}

/// Which method's path serves a method.
InversionMethod path_of(InversionMethod method) {
  using enum InversionMethod;
  return method == kDirect || method == kNegativePrompt ? kDdim : method;
}

SeededNoise noise_of(int64_t number) {
  return {static_cast<uint64_t>(number), RngChoice::kCpu, torch::kCPU};
}

void start_from_inversion(DrawRequest& request, const EditMethod& method, Inversion inversion) {
  inversion.method = *method.inversion;
  if (method.inversion == InversionMethod::kEditFriendly) request.eta = 1;
  request.inversion = std::make_shared<const Inversion>(std::move(inversion));
}

}  // namespace

SpendingWatch::SpendingWatch() : began_(processor_seconds()) {
  forget_peak();
  held_ = peak_megabytes();
}

Spent SpendingWatch::stop(int64_t calls) const {
  return {processor_seconds() - began_, calls, std::max(0.0, peak_megabytes() - held_)};
}

const KeptInversion& InversionShelf::of(const EditCase& one, int64_t number,
                                        InversionMethod method) {
  const std::pair place{number, path_of(method)};
  const auto found = kept_.find(place);
  if (found != kept_.end()) return found->second;
  return kept_.emplace(place, make(one, number, place.second)).first->second;
}

KeptInversion InversionShelf::make(const EditCase& one, int64_t number,
                                   InversionMethod method) const {
  InversionRequest request;
  static_cast<PictureSettings&>(request) = settings();
  request.method = method;
  request.prompt = one.source.text;
  request.picture = to_tensor(one.scene.picture);
  request.inversion_guidance =
      method == InversionMethod::kNullText ? kEvalGuidance : usual_inversion_guidance(method);
  request.on_progress = [this](const Progress&) { return !context_.stop_requested(); };
  auto noise = noise_of(number);
  const SpendingWatch watch;
  auto inverted = invert(context_.model, request, noise);
  const auto spent = watch.stop(inverted.timing.unet_calls);
  return {std::move(inverted.inversion), spent};
}

namespace {

/// The request of a method but for its editor.
DrawRequest started(const EvalContext& context, const EditMethod& method, const EditCase& one,
                    int64_t number, InversionShelf& shelf, Edited& edited) {
  const auto& model = context.model;
  DrawRequest request;
  static_cast<PictureSettings&>(request) = settings();
  request.width = request.height = model.config.default_pixels();
  request.source = {one.source.text};
  request.targets = {{method.editor == Editor::kLedits ? one.source.text : one.target.text}};
  if (method.inversion) {
    const auto& kept = shelf.of(one, number, *method.inversion);
    edited.spent = kept.spent;
    start_from_inversion(request, method, kept.inversion);
  } else if (method.noised) {
    request.init_image = to_tensor(one.scene.picture);
    request.strength = kStrength;
  } else {
    request.start_latents = eval_start(model, kFirstStart + number, 1);
    request.strength = 1;
  }
  return request;
}

}  // namespace

Edited edit(const EvalContext& context, const EditMethod& method, const EditCase& one,
            int64_t number, InversionShelf& shelf) {
  Edited edited;
  auto request = started(context, method, one, number, shelf, edited);
  const auto controls = controls_of(context.model, method.editor, one);
  Chain chain(controls.links);
  if (!controls.links.empty()) request.controller = &chain;
  request.latent_edit = controls.blend.get();
  request.sharing = sharing_of(method.editor);
  if (method.editor == Editor::kLedits) request.concept_edits = concepts_of(one);
  auto noise = noise_of(number);
  const SpendingWatch watch;
  std::optional<MaskedSwap> masked;
  torch::Tensor editable;  // [h,w]
  if (method.editor == Editor::kDiffEdit) {
    const auto mask = found_mask(context, one, noise);
    if (method.noised) request.mask = mask;
    if (!method.noised) request.latent_edit = &masked.emplace(mask);
    editable = mask[0][0];
    edited.spent.calls += AutoMaskRequest().noises;
  }
  auto drawn = draw(context.model, request, noise);
  const auto spent = watch.stop(drawn.timing.unet_calls);
  edited.spent.seconds += spent.seconds;
  edited.spent.calls += spent.calls;
  edited.spent.megabytes = std::max(edited.spent.megabytes, spent.megabytes);
  edited.after = std::move(drawn.pictures[0]);
  edited.before =
      method.inversion || method.noised ? one.scene.picture : std::move(drawn.pictures[1]);
  if (method.editor == Editor::kPaste) editable = controls.blend->masks().front()[0][0];
  if (editable.defined()) {
    const auto mask = blend_paste_mask(editable, request.width, request.height, kPasteMargin);
    edited.after = paste_outside(edited.after, edited.before, mask);
  }
  return edited;
}

}  // namespace sd::train
