#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cli/plan/network_shelf.h"
#include "cli/plan/prompt_list.h"
#include "cli/shell/turns.h"
#include "sd/core/model_config.h"
#include "sd/pipeline/inspect.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Takes a line that is to be said.
using Say = std::function<void(const std::string&)>;

/// Where a task stands among others (task_run.h).
struct TaskPlace {
  std::string label;                      // before what is said of it: "line 7, "
  std::optional<int64_t> picture_number;  // in its pictures' names; absent: as a run of its own
  bool follows = false;                   // another one, which said what holds for all
  bool returns_pictures = false;          // in the DrawOutcome, beside writing them
  std::optional<std::size_t> lane = {};   // the one that draws it; absent: all (lanes.h)
  Turn* turn = nullptr;                   // when it may write and speak; null: at once
};

/// What the headers of a model's files tell.
struct InspectedModel {
  ModelFiles files;
  ModelConfig config;  // its prediction is settled
  std::shared_ptr<const Tokenizer> tokenizer;
};

/// What a plan needs to know beside the options. One serves all plans of a process: what is known
/// already is neither read nor said again.
struct PlanContext {
  /// Takes what is to be said before anything is drawn, at once: what was said stays said where the
  /// plan then fails.
  Say say = [](const std::string&) {};
  std::shared_ptr<const PromptList> listed = {};  // what --from-file holds
  /// Takes a line of the list that cannot be drawn.
  std::function<void(const BadLine&)> refuse = [](const BadLine&) {};
  std::optional<TaskPlace> place = {};

  std::shared_ptr<const InspectedModel> inspected = {};  // the last plan's
  std::shared_ptr<NetworkShelf> networks = {};           // that were opened
  std::set<std::filesystem::path> told_foreign = {};     // files whose unknown classes were named
};

/// The model in `files`, whose headers are read unless the last plan's model was the same. Throws
/// as inspect_model does.
std::shared_ptr<const InspectedModel> inspected_model(const ModelFiles& files,
                                                      PlanContext& context);

}  // namespace sd::cli
