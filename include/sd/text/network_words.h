#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// A step as people give it: its number, from 1, or below 1 the share of the steps before it.
using StepMark = double;

/// The steps in which a LoRA acts on the UNet.
struct NetworkSteps {
  std::optional<StepMark> start = {};  // from this one on
  std::optional<StepMark> stop = {};   // and no longer from this one on

  bool operator==(const NetworkSteps&) const = default;
  bool are_all() const { return !start && !stop; }
  /// Whether step `step`, from 0, of `num_steps` is one of them.
  bool contain(int64_t step, int64_t num_steps) const;
};

/// What is asked of a LoRA: "ink", "ink:0.8", "ink:0.8:0.5",
/// "ink:te=0:unet=1.2:lbw=OUTALL:stop=15".
struct NetworkWords {
  std::string name;  // of a file, or its path
  double text_encoder = 1;
  double unet = 1;
  /// Of BASE (the text encoder), IN00 to IN11, M00, OUT00 to OUT11, as sd-webui-lora-block-weight
  /// numbers the blocks; empty: all 1.
  std::vector<double> blocks = {};
  NetworkSteps steps = {};

  bool operator==(const NetworkWords&) const = default;
};

/// Reads what stands in "<lora:…>", which options take too. The numbers are the weights of the text
/// encoder and of the UNet, which is weighed as the text encoder unless told otherwise. Named are
/// `te`, `unet`, `lbw` (a preset, 17 or 26 weights of blocks), `start`, `stop` and `step=A-B`.
/// Steps are numbered from 1, as the block-weight extension of AUTOMATIC1111's web UI does, and
/// `stop` is the first without it. Throws UsageError.
NetworkWords parse_network_words(std::string_view text);

}  // namespace sd
