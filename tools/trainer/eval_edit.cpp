#include "trainer/eval_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "sd/core/atomic_file.h"
#include "sd/core/noise_source.h"
#include "sd/image/label.h"
#include "sd/image/png.h"
#include "trainer/eval_swap.h"
#include "trainer/structure_distance.h"

namespace sd::train {
namespace {

// A new object of the same place may be larger than the old one, and the autoencoder blurs edges.
constexpr double kMargin = 12;
constexpr uint64_t kSceneSeed = 4242;  // of the pictures, which no training saw
constexpr std::size_t kSheetPairs = 24;
constexpr int64_t kSheetColumns = 8;
constexpr int64_t kLeastAlpha = 25;  // of an object's mask, of 255

std::vector<EditCase> cases_of(const EvalContext& context, int64_t n) {
  std::vector<EditCase> cases;
  for (const auto& pair : swap_pairs(context.scenes, n, context.kinds)) {
    EditCase one{pair,
                 caption_of(pair.source),
                 caption_of(pair.target),
                 context.scenes.compose(pair.source, kSceneSeed + cases.size()),
                 {}};
    one.box = box_of(one.scene.objects.front().mask, kSceneSide, kLeastAlpha);
    cases.push_back(std::move(one));
  }
  return cases;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_file(path, std::as_bytes(std::span(text)), /*overwrite=*/true);
}

/// Adds one edit to the scores; returns what the sheet says of it.
std::string judge(const EvalContext& context, const EditCase& one, const Edited& edited,
                  EditScores& scores) {
  const auto is = read(context.classifier, edited.after);
  PixelBox old_box = one.box;
  if (!scores.method.inversion && !scores.method.noised) {
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
  scores.structure.add(structure_distance(context.classifier, edited.before, edited.after));
  scores.seconds.add(edited.spent.seconds);
  scores.unet_calls.add(static_cast<double>(edited.spent.calls));
  return fmt::format("{}{:.1f} dB", changed ? "" : "not it, ", near.psnr);
}

EditScores measure(const EvalContext& context, const std::vector<EditCase>& cases,
                   const EditMethod& method, InversionShelf& shelf,
                   const std::filesystem::path& folder) {
  EditScores scores;
  scores.method = method;
  std::vector<LabelledImage> cells;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    check_stop(context);
    const auto edited = edit(context, method, cases[i], static_cast<int64_t>(i), shelf);
    // The first one packs weights, which stay.
    if (i > 0) scores.megabytes = std::max(scores.megabytes, edited.spent.megabytes);
    const auto verdict = judge(context, cases[i], edited, scores);
    if (cells.size() < 2 * kSheetPairs) {
      cells.push_back({edited.before, cases[i].source.text});
      cells.push_back({edited.after, verdict});
    }
  }
  auto name = "edit-" + method.name() + ".png";
  std::erase(name, ' ');
  write_file(folder / name, encode_png(labelled_sheet(cells, kSheetColumns)), /*overwrite=*/true);
  context.say(fmt::format("{}: {:.2f} dB, {:.1f} % changed", method.name(), scores.psnr.value(),
                          100 * scores.changed.value()));
  return scores;
}

/// What the autoencoder alone makes of the pictures.
Mean autoencoder_psnr(const EvalContext& context, const std::vector<EditCase>& cases) {
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

EditReport measure_edits(const EvalContext& context, const std::string& model, int64_t n,
                         const std::vector<EditMethod>& methods,
                         const std::filesystem::path& folder) {
  make_writable_folder(folder);
  const auto cases = cases_of(context, n);
  EditReport report;
  report.model = model;
  report.autoencoder = autoencoder_psnr(context, cases);
  InversionShelf shelf(context);
  for (const auto& method : methods) {
    report.scores.push_back(measure(context, cases, method, shelf, folder));
    // Each time: what is measured is kept when the rest takes too long.
    write_text(folder / "edits.md", markdown_of(report));
    write_text(folder / "edits.json", json_of(report));
  }
  return report;
}

}  // namespace sd::train
