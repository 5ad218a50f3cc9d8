#pragma once

#include <memory>

#include "cli/options/draw_options.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Checks what needs no loaded model: sizes, the sampler's options, contradictions, that given
/// files are there, that words are in the prompts. Fills in `dtype` from `precision`. Returns how
/// the model reads prompts. Throws UsageError, IoError for a missing file, CheckpointError for a
/// model that cannot be drawn from.
std::shared_ptr<const Tokenizer> check(DrawOptions& options);

}  // namespace sd::cli
