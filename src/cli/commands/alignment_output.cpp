#include "cli/commands/alignment_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/plan/control_plan.h"
#include "cli/plan/control_report.h"
#include "cli/plan/planned_masks.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "cli/shell/text_width.h"
#include "sd/core/error.h"
#include "sd/image/infotext.h"
#include "sd/text/alignment_table.h"

namespace sd::cli {
namespace {

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, text_width(text)), ' ');
}

std::string alignment_json_line(const std::string& source, const std::string& target,
                                const char* mode, const std::vector<AlignmentRow>& rows) {
  nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
  for (const auto& row : rows) {
    tokens.push_back(
        {{"source", row.source}, {"target", row.target}, {"action", name_of(row.action)}});
  }
  return json_line_of("alignment",
                      {{"source", source}, {"target", target}, {"mode", mode}, {"tokens", tokens}});
}

void print_alignment(const DrawPlan& plan, StandardOutput& output) {
  const auto& options = plan.options;
  const auto& tokenizer = *plan.reader;
  const auto source = tokenizer.readable(*options.swap.source);
  const auto source_tokens = tokenizer.encode(source);
  for (const auto& typed : options.swap.targets) {
    const auto target = tokenizer.readable(typed);
    const auto target_tokens = tokenizer.encode(target);
    const auto mode = options.swap.mode == SwapMode::kFork ? AlignmentMode::kFork
                                                           : prompt_to_prompt_mode(source, target);
    const auto rows = describe_alignment(mode, {source, source_tokens}, {target, target_tokens},
                                         [&](int64_t id) { return tokenizer.decode(id); });
    const char* name = mode == AlignmentMode::kFork      ? "fork"
                       : mode == AlignmentMode::kReplace ? "p2p, replacement"
                                                         : "p2p, refinement";
    if (options.json) {
      output.line(alignment_json_line(source, target, name, rows));
      continue;
    }
    std::size_t left = text_width("source"), right = text_width("target");
    for (const auto& row : rows) {
      left = std::max(left, text_width(printable(row.source)));
      right = std::max(right, text_width(printable(row.target)));
    }
    output.line(fmt::format("{} > {} ({})", printable(source), printable(target), name));
    output.line(
        fmt::format("  {}  {}  what happens", padded("source", left), padded("target", right)));
    for (const auto& row : rows) {
      output.line(fmt::format("  {}  {}  {}", padded(printable(row.source), left),
                              padded(printable(row.target), right), name_of(row.action)));
    }
  }
}

}  // namespace

void print_plan(const DrawPlan& plan) {
  const auto& options = plan.options;
  StandardOutput output;
  const bool aligns = options.task == DrawTask::kSwap && options.swap.mode != SwapMode::kNone;
  if (aligns) print_alignment(plan, output);
  auto controls = planned_controls(plan);
  find_shares(plan, controls);
  for (const auto& control : controls) {
    output.line(options.json ? control_json_line(control, nullptr) : planned_text(control));
  }
  if (controls.empty() && !aligns && !options.json)
    output.line("no control is asked for: pictures are drawn from their prompts alone");
}

}  // namespace sd::cli
