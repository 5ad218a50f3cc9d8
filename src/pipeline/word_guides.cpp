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

std::shared_ptr<LatentGuide> box_guide(const GuideWords& words,
                                       const std::vector<std::string>& rows,
                                       const Tokenizer& tokenizer, int64_t downsampling) {
  const double scale = words.box_scale.value_or(published_box_scale(words.box_method));
  PerRow<std::vector<BoxedWord>> boxed;
  for (const auto& prompt : rows) boxed.push_back(boxed_words(words.boxes, prompt, tokenizer));
  if (words.box_method == BoxMethod::kBoxDiff) {
    BoxDiffOptions options;
    options.words = std::move(boxed);
    options.chunk = tokenizer.length();
    options.downsampling = downsampling;
    options.scale = scale;
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
    guides.push_back(box_guide(words, rows, tokenizer, downsampling));
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
