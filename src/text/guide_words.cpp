#include "sd/text/guide_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr int64_t kReferenceSide = 64;  // latents of SD v1, for which layers are stated
constexpr int64_t kPublishedDownsampling = 4;
constexpr int64_t kLeastSide = 12;
constexpr int64_t kLeastOfUsual = 32;

void check_word(std::string_view field, const std::string& word,
                const std::vector<std::string>& targets, const Tokenizer& tokenizer) {
  std::string problem;
  for (const auto& target : targets) {
    try {
      word_positions(field, target, word, tokenizer);
      return;
    } catch (const UsageError& error) {
      problem = error.what();
    }
  }
  throw UsageError(problem);
}

}  // namespace

bool are_small_latents(int64_t latent_side) { return latent_side < kLeastOfUsual; }

double default_box_part(int64_t latent_side) {
  constexpr double kPublished = 0.2, kOfSmall = 0.8;
  return are_small_latents(latent_side) ? kOfSmall : kPublished;
}

int64_t default_guide_res(const ModelConfig& config, int64_t latent_side) {
  auto layers = config.unet.attention_resolutions;
  std::erase_if(layers, [](int64_t downsampling) {
    return downsampling < 1 || downsampling > kPublishedDownsampling;
  });
  if (layers.empty()) return kReferenceSide / kPublishedDownsampling;
  std::ranges::sort(layers, std::ranges::greater());
  const auto fine = std::ranges::find_if(
      layers, [&](int64_t downsampling) { return latent_side / downsampling >= kLeastSide; });
  return kReferenceSide / (fine != layers.end() ? *fine : layers.back());
}

double published_box_scale(BoxMethod method) { return method == BoxMethod::kBackward ? 30 : 20; }

void check_box(std::string_view field, const WordBox& box) {
  const auto& [left, top, right, bottom] = box.box;
  const auto said = fmt::format("{}: '{}={},{},{},{}'", field, box.word, left, top, right, bottom);
  const auto is_share = [](double value) { return value >= 0 && value <= 1; };  // NaN is none
  if (!is_share(left) || !is_share(top) || !is_share(right) || !is_share(bottom)) {
    throw UsageError(fmt::format(
        "{} reaches out of the picture\nA box is left,top,right,bottom in shares of the picture, "
        "from 0 to 1: 0,0,0.5,1 is its left half.",
        said));
  }
  if (left < right && top < bottom) return;
  throw UsageError(
      fmt::format("{} is empty: its {} edge is not before its {} edge\nA box is "
                  "left,top,right,bottom in shares "
                  "of the picture, from 0 to 1: 0,0,0.5,1 is its left half.",
                  said, left < right ? "top" : "left", left < right ? "bottom" : "right"));
}

void check_guide_words(const GuideWords& words, const std::vector<std::string>& targets,
                       const Tokenizer& tokenizer, FieldLabel label) {
  for (const auto& word : words.excite) check_word(label("excite"), word, targets, tokenizer);
  for (const auto& box : words.boxes) {
    check_box(label("boxes"), box);
    check_word(label("boxes"), box.word, targets, tokenizer);
  }
}

}  // namespace sd
