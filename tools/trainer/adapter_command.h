#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "sd/core/compute.h"
#include "trainer/adapter_settings.h"
#include "trainer/scene_style.h"

namespace sd::cli {

/// Options of the subcommands that train something beside a model's weights.
struct AdapterOptions {
  std::optional<std::filesystem::path> model, config, data, prior, out, work;
  std::string caption;
  std::optional<int64_t> resolution;
  std::optional<double> alpha, learning_rate;
  DeviceChoice device;
  int64_t threads = 0;
  int64_t state_every = 60;  // seconds
  train::LoraSettings lora;  // what the two have in common lies here as well
  train::EmbeddingSettings embedding;
  // Of `measure`.
  std::optional<std::filesystem::path> lora_file, embedding_file, classifier, font;
  std::optional<train::NewBackground> background;
  int64_t prompts = 100;
};

/// Adds `lora`, `embedding`, and `measure`, which says what they are to the demo model.
void add_adapter_commands(CLI::App& app, AdapterOptions& options);

/// Runs one of them. Returns the exit code.
int run_adapter_command(const std::string& name, const AdapterOptions& options);

}  // namespace sd::cli
