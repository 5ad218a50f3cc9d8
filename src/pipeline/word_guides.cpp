#include "sd/pipeline/word_guides.h"

#include <algorithm>

#include "sd/core/error.h"
#include "sd/pipeline/attend_and_excite.h"
#include "sd/pipeline/box_diff.h"
#include "sd/pipeline/box_guidance.h"

namespace sd {
namespace {

constexpr int64_t kReferenceSide = 64;

/// The prompts of target rows, target by target.
std::vector<std::string> rows_of(const std::vector<PromptSet>& samples) {
  std::vector<std::string> rows;
  for (std::size_t target = 0; target < samples.front().targets.size(); ++target) {
    for (const auto& sample : samples) rows.push_back(sample.targets[target]);
  }
  return rows;
}

/// None where the prompt has not that word.
std::vector<int64_t> positions_if_there(const std::string& field, const std::string& prompt,
                                        const std::string& word, const Tokenizer& tokenizer) {
  try {
    return word_positions(field, prompt, word, tokenizer);
  } catch (const UsageError&) {
    return {};
  }
}

std::vector<BoxedWord> boxed_words(const std::vector<WordBox>& boxes, const std::string& prompt,
                                   const Tokenizer& tokenizer) {
  std::vector<BoxedWord> words;
  for (const auto& [word, box] : boxes) {
    auto positions = positions_if_there("boxes", prompt, word, tokenizer);
    if (positions.empty()) continue;
    const auto same = std::ranges::find_if(
        words, [&](const BoxedWord& other) { return other.positions == positions; });
    if (same == words.end()) {
      words.push_back({std::move(positions), {box}});
    } else {
      same->boxes.push_back(box);
    }
  }
  return words;
}

/// As published, but for small latents: what lies outside counts by its most alone, since boxes
/// leave few pixels there, and is brought down in rounds before each of the first steps, in which
/// the layout is settled. Shares are less sharp: at 100 a pixel is wholly the word's or not at all,
/// and such a step has no slope. Chosen on the demo model (docs/editing.md).
BoxDiffOptions box_diff_options(int64_t latent_side) {
  BoxDiffOptions options;
  if (!are_small_latents(latent_side)) return options;
  options.outside_part = 0.2;
  options.judges_outside = true;
  options.sharpness = 20;
  options.thresholds = {{0, 0.5}, {0.04, 0.6}, {0.08, 0.7}, {0.12, 0.8}, {0.16, 0.8}};
  options.rounds = 10;
  return options;
}

std::shared_ptr<LatentGuide> box_guide(const GuideWords& words,
                                       const std::vector<std::string>& rows,
                                       const Tokenizer& tokenizer, int64_t downsampling,
                                       int64_t latent_side) {
  const double scale = words.box_scale.value_or(published_box_scale(words.box_method));
  PerRow<std::vector<BoxedWord>> boxed;
  for (const auto& prompt : rows) boxed.push_back(boxed_words(words.boxes, prompt, tokenizer));
  if (words.box_method == BoxMethod::kBoxDiff) {
    auto options = box_diff_options(latent_side);
    options.words = std::move(boxed);
    options.chunk = tokenizer.length();
    options.downsampling = downsampling;
    options.scale = scale;
    options.part = words.box_part.value_or(default_box_part(latent_side));
    return std::make_shared<BoxDiff>(std::move(options));
  }
  BoxGuidanceOptions options;
  options.words = std::move(boxed);
  options.downsampling = downsampling;
  options.scale = scale;
  return std::make_shared<BoxGuidance>(std::move(options));
}

}  // namespace

std::vector<std::shared_ptr<LatentGuide>> make_word_guides(const GuideWords& words,
                                                           const std::vector<PromptSet>& samples,
                                                           const Tokenizer& tokenizer,
                                                           const ModelConfig& config,
                                                           int64_t latent_side) {
  std::vector<std::shared_ptr<LatentGuide>> guides;
  if (!words.guides()) return guides;
  const auto rows = rows_of(samples);
  check_guide_words(words, rows, tokenizer);
  const auto downsampling =
      kReferenceSide / words.guide_res.value_or(default_guide_res(config, latent_side));
  if (!words.boxes.empty()) {
    guides.push_back(box_guide(words, rows, tokenizer, downsampling, latent_side));
  }
  if (!words.excite.empty()) {
    AttendAndExciteOptions options;
    for (const auto& prompt : rows) {
      auto& of_row = options.words.emplace_back();
      for (const auto& word : words.excite) {
        auto positions = positions_if_there("excite", prompt, word, tokenizer);
        if (!positions.empty()) of_row.push_back(std::move(positions));
      }
    }
    options.chunk = tokenizer.length();
    options.downsampling = downsampling;
    options.scale = words.excite_scale;
    guides.push_back(std::make_shared<AttendAndExcite>(std::move(options)));
  }
  return guides;
}

}  // namespace sd
