#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/shell/machine.h"
#include "sd/core/model_config.h"
#include "sd/pipeline/inspect.h"

namespace sd::cli {

/// Whether a model is of the size of the published ones, so that a CPU is slow with it.
bool is_full_size(const ModelConfig& model);

/// A line for each choice that will be slow here, or that the model was not trained for, and what
/// to choose instead. A task that `follows` another leaves out what holds for all of a list.
std::vector<std::string> draw_notices(const DrawOptions& options, const ModelConfig& model,
                                      const Machine& machine, bool follows = false);

/// One line about the classes that a model's pickles name and that are not known (foreign_names.h),
/// cut after a few; empty where there are none.
std::string foreign_notice(const std::string& model, const std::vector<std::string>& names);

/// That of the model and of the parts that come from elsewhere, but for those in `told`, which get
/// there.
std::vector<std::string> foreign_notices(const ModelFiles& files,
                                         std::set<std::filesystem::path>& told);

}  // namespace sd::cli
