#pragma once

#include <string>
#include <vector>

#include "cli/options/given_options.h"
#include "sd/image/fit.h"
#include "sd/image/foreign_recipe.h"

namespace sd::cli {

/// A command guessed from what a picture tells, and what it does not tell or we cannot do.
struct GuessedCommand {
  GivenCommand command;
  std::vector<std::string> notes;
};

/// From an infotext of AUTOMATIC1111's web UI: prompts, steps, sampler, schedule, guidance, seed,
/// size, strength and random numbers. What cannot be used is noted, never guessed at silently.
GuessedCommand command_of_infotext(const std::string& infotext);

/// The same from what another program says; where that tells no size, a picture's own `size` is
/// taken.
GuessedCommand command_of_recipe(const ForeignRecipe& recipe, Size size);

}  // namespace sd::cli
