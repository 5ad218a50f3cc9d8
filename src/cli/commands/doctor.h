#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/shell/machine.h"

namespace sd::cli {

/// Weights of Stable Diffusion v1 (1,066 million parameters), in bytes.
inline constexpr int64_t kWeightsF32 = int64_t{1'066'235'307} * 4;
inline constexpr int64_t kWeightsBF16 = kWeightsF32 / 2;
/// What drawing a picture of 512x512 takes besides, about.
inline constexpr int64_t kWorkingMemory = int64_t{1} << 30;

/// What will be slow on this machine and why, a line each.
std::vector<std::string> slow_here(const Machine& machine, bool has_engine);

/// What NVIDIA's driver says of the GPUs that this process may see: `cuda` (the newest that it
/// supports), `problem`, `devices` with `device`, `name`, `memory`, `free`, `compute_capability`.
nlohmann::ordered_json gpus_report();
/// One of those devices in words.
std::string gpu_text(const nlohmann::ordered_json& gpu);

/// "512 MiB", "3.9 GiB".
std::string bytes_text(int64_t bytes);

/// Every setting that the environment and the file hold, and what is wrong with them: `file`,
/// `problem`, `entries` with `option`, `value`, `source`, `in_force`, `unknown_variables`.
nlohmann::ordered_json settings_report(const CLI::App& app);

}  // namespace sd::cli
