#include "trainer/eval.h"

#include <fmt/format.h>

#include <chrono>
#include <span>

#include "sd/core/atomic_file.h"
#include "sd/image/png.h"
#include "trainer/eval_report.h"

namespace sd::train {
namespace {

constexpr uint64_t kClassifierSeed = 77;
constexpr std::size_t kSheetPictures = 100;

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_file(path, std::as_bytes(std::span(text)), /*overwrite=*/true);
}

}  // namespace

EvalReport evaluate(const EvalContext& context, const std::string& model, const EvalSizes& sizes,
                    const std::vector<std::unique_ptr<SwapDrawer>>& drawers,
                    const std::filesystem::path& folder) {
  make_writable_folder(folder);
  const auto began = std::chrono::steady_clock::now();
  EvalReport report;
  report.model = model;
  report.kinds =
      static_cast<int64_t>(context.kinds.empty() ? object_kinds().size() : context.kinds.size());
  report.classifier = measure_classifier(context.classifier, context.scenes,
                                         sizes.classifier_scenes, kClassifierSeed);
  context.say("classifier: " + summary_of(report.classifier));
  report.coded = measure_coded(context, sizes.coded_scenes);
  context.say("through the autoencoder: " + summary_of(report.coded));
  report.drawn =
      draw_prompts(context, evaluation_prompts(context.scenes, sizes.prompts, context.kinds));
  report.pictures = score(report.drawn);
  write_file(folder / "sheet.png", encode_png(contact_sheet(report.drawn, kSheetPictures)),
             /*overwrite=*/true);
  report.attention = measure_attention(context, sizes.scenes);
  for (std::size_t i = 0; i < drawers.size(); ++i) {
    Image sheet;
    report.swaps.push_back(measure_swap(context, *drawers[i], sizes.pairs, sheet));
    write_file(folder / fmt::format("swap-{}.png", i), encode_png(sheet), /*overwrite=*/true);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  write_text(folder / "report.md", markdown_of(report));
  write_text(folder / "report.json", json_of(report));
  return report;
}

}  // namespace sd::train
