#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/core/share_box.h"
#include "sd/text/control_words.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// A word, and where what it names is to be. A word may have several boxes, which count together.
struct WordBox {
  std::string word;  // as PromptWords::find takes it
  ShareBox box;
  bool operator==(const WordBox&) const = default;
};

/// How words are brought into their boxes.
enum class BoxMethod {
  kBackward,  // box_guidance.h
  kBoxDiff,   // box_diff.h
};

/// What guides by gradients go by, as people say it. The defaults are as published.
struct GuideWords {
  std::vector<std::string> excite;  // Attend-and-Excite (attend_and_excite.h); none: not done
  double excite_scale = 20;
  std::vector<WordBox> boxes;  // none: not done
  BoxMethod box_method = BoxMethod::kBoxDiff;
  std::optional<double> box_scale;  // absent: published_box_scale
  /// Of BoxDiff: the share of a box's pixels that are to be looked at; absent: default_box_part.
  /// Near 1 things fill their boxes.
  std::optional<double> box_part;
  /// Which layers' maps, by their side for latents of 64 a side; absent: default_guide_res.
  std::optional<int64_t> guide_res;

  bool guides() const { return !excite.empty() || !boxes.empty(); }
};

/// Latents of pictures of fewer than 256 pixels a side, on whose maps what was published for
/// latents of 64 does not hold a thing in its box.
bool are_small_latents(int64_t latent_side);

/// 0.2 as published, of small latents 0.8.
double default_box_part(int64_t latent_side);

/// The layers that guides look at unless told otherwise: the published maps of a quarter of the
/// latents' side (of latents of 64 a side, 16), or where latents of `latent_side` are so small that
/// these would have fewer than 12 pixels a side, those of the layers that still have 12.
int64_t default_guide_res(const ModelConfig& config, int64_t latent_side);

/// 30, and of BoxDiff 20.
double published_box_scale(BoxMethod method);

/// Throws UsageError, beginning with `field`, for a box that is empty or reaches out of the
/// picture.
void check_box(std::string_view field, const WordBox& box);

/// Checks boxes, and that each word is in some prompt of the targets. Throws UsageError, listing
/// the words there are.
void check_guide_words(const GuideWords& words, const std::vector<std::string>& targets,
                       const Tokenizer& tokenizer, FieldLabel label = own_label);

}  // namespace sd
