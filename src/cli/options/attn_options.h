#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sd/image/heatmap.h"
#include "sd/text/control_words.h"

namespace sd::cli {

/// How maps become colours. All but kToken draw a word's map as it is and differ in what counts as
/// dark and bright.
enum class AttnNorm {
  kFork,      // 0 to the map's own maximum, as the fork does it
  kMinMax,    // the map's own minimum to its maximum, as DAAM does it
  kAbsolute,  // "shared": 0 to the largest value of all, so that brightness compares between maps
  kToken,     // share of what a pixel pays to the prompt's own tokens, 0 to 1
};

/// Whose probabilities are gathered.
enum class AttnKind {
  kOwn,      // the prompt's, before any control
  kApplied,  // after every control
  kSource,   // the source prompt's, beside which targets are drawn
};

using AttnSteps = StepShare;

/// `--attn DIR` and what belongs to it, as typed; for every command that draws. Torch-free.
struct AttnOptions {
  std::optional<std::filesystem::path> dir;  // absent: no maps are drawn
  bool always = false;                       // `sd attn`: OUTDIR/attn where none is named
  AttnNorm norm = AttnNorm::kAbsolute;
  AttnKind kind = AttnKind::kOwn;
  bool conditional = true;  // false: the rows of the negative prompt
  AttnSteps steps;
  std::vector<std::string> parts;    // "down", "middle", "up"; empty: all
  std::vector<int64_t> resolutions;  // latent pixels of a layer's shorter side; empty: all
  std::vector<int64_t> heads;        // empty: all
  std::vector<std::string> words;    // as PromptWords::find takes them; empty: all words
  Colormap colormap = Colormap::kTurbo;
  double alpha = 0.6;
  bool is_get_attn = false;                            // the fork's own files
  std::optional<std::filesystem::path> save_attn_dir;  // naming it implies is_get_attn

  bool draws() const { return dir.has_value(); }
  bool saves() const { return is_get_attn || save_attn_dir.has_value(); }
};

/// The word of `--attn-norm`, `--attn-kind`.
std::string name_of(AttnNorm norm);
std::string name_of(AttnKind kind);

}  // namespace sd::cli
