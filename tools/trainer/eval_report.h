#pragma once

#include <string>

#include "trainer/eval.h"

namespace sd::train {

/// A table of what was measured, each number beside its target.
std::string markdown_of(const EvalReport& report);

/// The same numbers, and every prompt with what was found in its picture.
std::string json_of(const EvalReport& report);

}  // namespace sd::train
