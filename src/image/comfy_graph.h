#pragma once

#include <nlohmann/json.hpp>
#include <optional>

namespace sd {

/// Turns a ComfyUI `workflow` (nodes as the editor keeps them) into the form of the `prompt` chunk:
/// {"3": {"class_type": "KSampler", "inputs": {"seed": 5, "model": ["4", 0], …}}, …}. A workflow
/// lists a node's values without names, so only nodes whose order of values is known here have
/// values.
nlohmann::ordered_json graph_of_workflow(const nlohmann::ordered_json& workflow);

}  // namespace sd
