#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "cli/plan/run_prompts.h"
#include "sd/networks/apply.h"
#include "sd/text/network_words.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {

/// A LoRA of a run, as strong and in such steps as it was asked for.
struct RunNetwork {
  std::filesystem::path path;
  std::string name;  // of its file, without ending
  AppliedNetwork applied;
  NetworkSteps steps;
};

/// Which of a run's LoRAs one prompt has beside those that all have, by their numbers.
using NetworkNumbers = std::vector<std::size_t>;

/// The LoRAs of a run.
struct RunNetworks {
  std::vector<RunNetwork> all;
  /// Those that every prompt has in every step: they are merged into the weights.
  NetworkNumbers merged;
  /// Of the others, what each branch of each set of prompts has; empty: there are no others.
  struct Uses {
    std::vector<NetworkNumbers> targets;
    NetworkNumbers source;
  };
  std::vector<Uses> sets;

  bool empty() const { return all.empty(); }
  /// Alike for runs whose weights are alike in every row and step.
  std::string key() const;
  std::vector<AppliedNetwork> merged_networks() const;
};

/// Finds and opens the LoRAs that options and prompts name, and says what fits of each. Throws
/// UsageError, IoError for one that is not there, CheckpointError for one that does not fit.
RunNetworks run_networks(const DrawOptions& options, const RunPrompts& prompts,
                         const PromptReader& reader, const InspectedModel& model,
                         PlanContext& context);

}  // namespace sd::cli
