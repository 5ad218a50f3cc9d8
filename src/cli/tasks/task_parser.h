#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/parser/settings.h"
#include "cli/tasks/draw_command.h"
#include "cli/tasks/task_list.h"

namespace sd::cli {

/// Makes the options of each task from its line and, where the line is silent, from the command's
/// own. Each task is what the command would draw alone: one picture unless told otherwise, from
/// SEED + number (from 0).
class TaskParser {
 public:
  TaskParser(const DrawCommand& command, MakeDrawCommand make);

  /// Not yet checked. Throws UsageError, also if neither the line nor the command has a prompt.
  /// `typed` gets the names by which errors are to speak of options.
  DrawOptions parse(const TaskLine& task, TypedNames& typed) const;

  /// The same for settings that are there already; the seed is the command's own.
  DrawOptions parse(const std::vector<Setting>& settings) const;

  /// The command's own options that pictures may depend on, by name.
  const nlohmann::ordered_json& own_options() const { return own_; }

 private:
  DrawOptions finish(DrawCommand& task, SettingLayers layers, int64_t seed_offset,
                     bool needs_prompt) const;

  DrawOptions base_;
  TypedNames typed_;  // on the command line
  MakeDrawCommand make_;
  std::vector<Setting> inherited_;
  nlohmann::ordered_json own_ = nlohmann::ordered_json::object();
};

/// The settings of `{"prompt": "a red apple", "steps": 20}`: keys are names of options with dashes
/// or underscores, values texts, numbers (2.0 and 1e1 are whole ones), true or false for flags,
/// arrays for several values; null and an empty array count as absent. Throws UsageError saying
/// what does not fit: an unknown key or one that stands there twice, a value of another type.
std::vector<Setting> object_settings(const std::string& text, const CLI::App& command);

}  // namespace sd::cli
