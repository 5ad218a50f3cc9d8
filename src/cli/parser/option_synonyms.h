#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/app_outline.h"

namespace sd::cli {

/// Names of other programs for the option whose first name is `option` ("ddim_steps"), without
/// dashes before them; a single letter is a short name. They work wherever long names do, and are
/// written nowhere: pictures and journals keep the first name.
std::vector<std::string> synonyms_of(std::string_view option);

/// Whether `name` ("--num_inference_steps", "-p") is only a synonym of the option `names` belong
/// to.
bool is_synonym(const std::vector<std::string>& names, const std::string& name);

/// The names of an option that help and completions offer: one a meaning, synonyms left out.
std::vector<std::string> shown_names(const OptionOutline& option);

/// Its synonyms, one a meaning.
std::vector<std::string> other_names(const OptionOutline& option);

}  // namespace sd::cli
