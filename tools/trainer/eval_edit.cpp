#include "trainer/eval_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "sd/control/chain.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/noise_source.h"
#include "sd/image/label.h"
#include "sd/image/png.h"
#include "sd/pipeline/inversion.h"
#include "sd/pipeline/row_sharing.h"
#include "sd/pipeline/word_controls.h"
#include "trainer/eval_prompts.h"
#include "trainer/eval_swap.h"

namespace sd::train {
namespace {

constexpr std::array kEditors = {Editor::kPrompt, Editor::kSwap, Editor::kBlend, Editor::kMasaCtrl,
                                 Editor::kPlugPlay};
// A new object of the same place may be larger than the old one, and the autoencoder blurs edges.
constexpr double kMargin = 12;
constexpr double kBlendThreshold = 0.5;  // as for swaps from noise (eval_swap.cpp)
constexpr int64_t kBlendRes = 64;
constexpr uint64_t kSceneSeed = 4242;  // of the pictures, which no training saw
constexpr int64_t kFirstStart = 200'000;
constexpr std::size_t kSheetPairs = 24;
constexpr int64_t kSheetColumns = 8;
constexpr int64_t kLeastAlpha = 25;  // of an object's mask, of 255

/// A scene that is edited: its picture, its object's box, and what the edit is to make of it.
struct Case {
  SwapPair pair;
  Caption source, target;
  Scene scene;
  PixelBox box;
};

std::vector<Case> cases_of(const EvalContext& context, int64_t n) {
  std::vector<Case> cases;
  for (const auto& pair : swap_pairs(context.scenes, n, context.kinds)) {
    Case one{pair,
             caption_of(pair.source),
             caption_of(pair.target),
             context.scenes.compose(pair.source, kSceneSeed + cases.size()),
             {}};
    one.box = box_of(one.scene.objects.front().mask, kSceneSide, kLeastAlpha);
    cases.push_back(std::move(one));
  }
  return cases;
}

/// The words of a caption that name its object.
std::string object_words(const Caption& caption) {
  for (const auto& word : caption.words) {
    if (word.role == WordRole::kObject)
      return caption.text.substr(word.begin, word.end - word.begin);
  }
  throw Error(fmt::format("'{}' names no object", caption.text));
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_file(path, std::as_bytes(std::span(text)), /*overwrite=*/true);
}

/// The peak of this process's memory in MB since `forget_peak`.
double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// What one edit came to.
struct Edited {
  Image before, after;
  double seconds = 0;
  int64_t calls = 0;
};

class EditRun {
 public:
  EditRun(const EvalContext& context, const EditMethod& method)
      : context_(context), model_(context.model), method_(method) {}

  Edited edit(const Case& one, int64_t number) const {
    const auto began = std::chrono::steady_clock::now();
    Edited edited;
    DrawRequest request;
    static_cast<PictureSettings&>(request) = settings();
    request.width = request.height = model_.config.default_pixels();
    request.source = {one.source.text};
    request.targets = {{one.target.text}};
    SeededNoise noise(static_cast<uint64_t>(number), RngChoice::kCpu, torch::kCPU);
    if (method_.inversion) {
      auto inverted = invert(model_, inversion_request(one), noise);
      edited.calls = inverted.timing.unet_calls;
      inverted.inversion.method = *method_.inversion;
      request.inversion = std::make_shared<const Inversion>(std::move(inverted.inversion));
      if (method_.inversion == InversionMethod::kEditFriendly) request.eta = 1;
    } else {
      request.start_latents = eval_start(model_, kFirstStart + number, 1);
      request.strength = 1;
    }
    const auto controls = controls_of(one);
    Chain chain(controls.links);
    if (!controls.links.empty()) request.controller = &chain;
    request.latent_edit = controls.blend.get();
    request.sharing = sharing();
    auto drawn = draw(model_, request, noise);
    edited.calls += drawn.timing.unet_calls;
    edited.after = std::move(drawn.pictures[0]);
    edited.before = method_.inversion ? one.scene.picture : std::move(drawn.pictures[1]);
    edited.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return edited;
  }

 private:
  static PictureSettings settings() {
    PictureSettings settings;
    settings.steps = kEvalSteps;
    settings.guidance_scale = kEvalGuidance;
    return settings;
  }

  InversionRequest inversion_request(const Case& one) const {
    InversionRequest request;
    static_cast<PictureSettings&>(request) = settings();
    request.method = *method_.inversion;
    request.prompt = one.source.text;
    request.picture = to_tensor(one.scene.picture);
    request.inversion_guidance = usual_inversion_guidance(request.method);
    request.on_progress = [this](const Progress&) { return !context_.stop_requested(); };
    return request;
  }

  BatchControls controls_of(const Case& one) const {
    if (method_.editor != Editor::kSwap && method_.editor != Editor::kBlend) return {};
    WordControls controls;
    if (method_.editor == Editor::kBlend) {
      controls.cross_box = {object_words(one.source)};
      controls.local_blend = {object_words(one.source), object_words(one.target)};
      controls.blend_threshold = kBlendThreshold;
      controls.blend_res = kBlendRes;
    }
    const std::vector<PromptSet> prompts = {{{one.target.text}, one.source.text}};
    return make_word_controls(controls, prompts, *model_.tokenizer);
  }

  std::shared_ptr<const RowSharing> sharing() const {
    RowSharing sharing;
    if (method_.editor == Editor::kMasaCtrl) sharing.masactrl.emplace();
    if (method_.editor == Editor::kPlugPlay) sharing.pnp.emplace();
    return sharing.count() == 0 ? nullptr : std::make_shared<const RowSharing>(sharing);
  }

  const EvalContext& context_;
  const LoadedModel& model_;
  const EditMethod& method_;
};

/// Adds one edit to the scores; returns what the sheet says of it.
std::string judge(const EvalContext& context, const Case& one, const Edited& edited,
                  EditScores& scores) {
  const auto is = read(context.classifier, edited.after);
  PixelBox old_box = one.box;
  if (!scores.method.inversion) {
    const auto was = read(context.classifier, edited.before);
    if (!was.objects.empty()) old_box = was.objects.front().box;
  }
  const auto outside = outside_of({old_box}, kMargin, kSceneSide, kSceneSide);
  const auto near = nearness(edited.before, edited.after, outside);
  const bool found = !is.objects.empty();
  const bool changed = found && is.objects.front().kind == one.pair.target.objects.front().kind;
  const double overlap = found ? box_iou(old_box, is.objects.front().box) : 0;
  scores.psnr.add(near.psnr);
  scores.ssim.add(near.ssim);
  scores.mse.add(near.mse);
  scores.changed.add(changed ? 1 : 0);
  scores.in_place.add(changed && overlap >= SwapJudgement::kLeastIou ? 1 : 0);
  scores.overlap.add(overlap);
  scores.seconds.add(edited.seconds);
  scores.unet_calls.add(static_cast<double>(edited.calls));
  return fmt::format("{}{:.1f} dB", changed ? "" : "not it, ", near.psnr);
}

EditScores measure(const EvalContext& context, const std::vector<Case>& cases,
                   const EditMethod& method, const std::filesystem::path& folder) {
  EditScores scores;
  scores.method = method;
  const EditRun run(context, method);
  std::vector<LabelledImage> cells;
  double before = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    check_stop(context);
    // The first one packs weights, which stay.
    if (i == 1) {
      forget_peak();
      before = peak_megabytes();
    }
    const auto edited = run.edit(cases[i], static_cast<int64_t>(i));
    const auto verdict = judge(context, cases[i], edited, scores);
    if (cells.size() < 2 * kSheetPairs) {
      cells.push_back({edited.before, cases[i].source.text});
      cells.push_back({edited.after, verdict});
    }
  }
  if (cases.size() > 1) scores.megabytes = std::max(0.0, peak_megabytes() - before);
  auto name = "edit-" + method.name() + ".png";
  std::erase(name, ' ');
  write_file(folder / name, encode_png(labelled_sheet(cells, kSheetColumns)), /*overwrite=*/true);
  context.say(fmt::format("{}: {:.2f} dB, {:.1f} % changed", method.name(), scores.psnr.value(),
                          100 * scores.changed.value()));
  return scores;
}

/// What the autoencoder alone makes of the pictures.
Mean autoencoder_psnr(const EvalContext& context, const std::vector<Case>& cases) {
  Mean mean;
  for (const auto& one : cases) {
    check_stop(context);
    DrawRequest request;
    request.targets = {{one.source.text}};
    request.init_image = to_tensor(one.scene.picture);
    request.strength = 0;
    SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);
    const auto drawn = draw(context.model, request, unused);
    const auto outside = outside_of({one.box}, kMargin, kSceneSide, kSceneSide);
    mean.add(nearness(one.scene.picture, drawn.pictures.front(), outside).psnr);
  }
  return mean;
}

}  // namespace

std::string_view name_of(Editor editor) {
  switch (editor) {
    case Editor::kPrompt:
      return "prompt";
    case Editor::kSwap:
      return "swap";
    case Editor::kBlend:
      return "blend";
    case Editor::kMasaCtrl:
      return "masactrl";
    case Editor::kPlugPlay:
      break;
  }
  return "pnp";
}

std::string EditMethod::name() const {
  return fmt::format("{} + {}", inversion ? sd::name_of(*inversion) : "from noise",
                     train::name_of(editor));
}

std::vector<EditMethod> edit_methods() {
  using enum InversionMethod;
  std::vector<EditMethod> methods;
  for (const auto editor : {Editor::kSwap, Editor::kBlend}) methods.push_back({{}, editor});
  for (const auto inversion : {kDdim, kDirect, kNegativePrompt, kEditFriendly}) {
    for (const auto editor : kEditors) methods.push_back({inversion, editor});
  }
  methods.push_back({kNullText, Editor::kBlend});
  return methods;
}

std::vector<EditMethod> edit_methods(const std::string& names) {
  std::vector<EditMethod> all = edit_methods(), chosen;
  for (const auto editor : kEditors) {
    const EditMethod slow{InversionMethod::kNullText, editor};
    if (editor != Editor::kBlend) all.push_back(slow);
  }
  for (std::size_t begin = 0; begin < names.size();) {
    const auto end = std::min(names.find(',', begin), names.size());
    auto wanted = names.substr(begin, end - begin);
    const auto found = std::ranges::find_if(all, [&](const EditMethod& method) {
      auto name = method.name();
      std::erase(name, ' ');
      std::string spelled = wanted;
      std::erase(spelled, ' ');
      return name == spelled;
    });
    if (found == all.end()) {
      std::string known;
      for (const auto& method : all) known += (known.empty() ? "" : ", ") + method.name();
      throw UsageError(fmt::format("--methods: there is no '{}'\nThere are: {}", wanted, known));
    }
    chosen.push_back(*found);
    begin = end + 1;
  }
  return chosen;
}

EditReport measure_edits(const EvalContext& context, const std::string& model, int64_t n,
                         const std::vector<EditMethod>& methods,
                         const std::filesystem::path& folder) {
  make_writable_folder(folder);
  const auto cases = cases_of(context, n);
  EditReport report;
  report.model = model;
  report.autoencoder = autoencoder_psnr(context, cases);
  for (const auto& method : methods) {
    report.scores.push_back(measure(context, cases, method, folder));
    // Each time: what is measured is kept when the rest takes too long.
    write_text(folder / "edits.md", markdown_of(report));
    write_text(folder / "edits.json", json_of(report));
  }
  return report;
}

}  // namespace sd::train
