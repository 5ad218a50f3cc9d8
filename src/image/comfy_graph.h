#pragma once

#include <nlohmann/json.hpp>
#include <optional>

namespace sd {

/// A ComfyUI `workflow` (the nodes as its editor keeps them) in the form of its `prompt` chunk:
/// {"3": {"class_type": "KSampler", "inputs": {"seed": 5, "model": ["4", 0], …}}, …}; of the nodes
/// whose values are known by their order.
nlohmann::ordered_json graph_of_workflow(const nlohmann::ordered_json& workflow);

}  // namespace sd
