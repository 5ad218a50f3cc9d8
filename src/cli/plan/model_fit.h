#pragma once

#include <cstdint>
#include <string>

#include "cli/options/draw_options.h"
#include "sd/core/model_config.h"

namespace sd::cli {

/// The input picture's options with what depends on the kind of model: its strength, how closely
/// InstructPix2Pix follows it. Throws UsageError, naming `model`, where options and model do not
/// fit: other latents than --C and --f say, --img-scale for a model that has none, InstructPix2Pix
/// without a picture.
PictureInput fitted_input(const DrawOptions& options, const ModelConfig& config,
                          const std::string& model);

/// `pixels` if pictures of that side can be drawn; else throws UsageError asking for --H and --W.
int64_t checked_default_side(int64_t pixels, const std::string& model);

/// What is said where int(strength · steps) is no step at all, so that the picture comes out as it
/// went in; empty where there is one, or where a strength of 0 asks for none.
std::string no_step_notice(const PictureInput& input, int64_t steps);

/// The line that says what was assumed where nothing but weights tell what a model predicts.
std::string prediction_notice(Prediction assumed, const std::string& model);

}  // namespace sd::cli
