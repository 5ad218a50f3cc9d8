#include "cli/options/swap_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/options/attn_lists.h"
#include "cli/options/control_options.h"
#include "cli/options/draw_limits.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/option_groups.h"
#include "cli/shell/text_output.h"
#include "cli/shell/text_width.h"
#include "sd/core/error.h"
#include "sd/image/infotext.h"
#include "sd/text/alignment_table.h"

namespace sd::cli {
namespace {

int64_t parse_blend_res(const std::string& text) {
  for (const int64_t side : {8, 16, 32, 64}) {
    if (text == std::to_string(side)) return side;
  }
  throw UsageError(fmt::format("--blend-res: expected 8, 16, 32 or 64, found '{}'", text));
}

void add_blend_options(CLI::App& app, SwapOptions& options) {
  add_repeated(
      app, "local-blend",
      [&options](const std::string& word) { options.local_blend.push_back(word); }, "WORD",
      "p2p: edit only where this word is looked at (again: or)");
  add_repeated(
      app, "blend-except",
      [&options](const std::string& word) { options.blend_except.push_back(word); }, "WORD",
      "p2p: but not where this word is looked at");
  add_number(app, "blend-threshold", options.blend_threshold, kThresholdRange,
             "p2p: of the largest attention, from 0 to 1")
      ->default_str(number_text(kDefaultBlendThreshold));
  add_number(app, "blend-start", options.blend_start, kThresholdRange,
             "p2p: part of the steps before blending begins")
      ->default_str(number_text(kDefaultBlendStart));
  add_parsed(
      app, "blend-res",
      [&options](const std::string& text) { options.blend_res = parse_blend_res(text); },
      "{8,16,32,64}",
      "p2p: looked at in layers of so many latent pixels of 64,\nscaled with the latents (16, more "
      "where latents are so\nsmall that it would be fewer than 16)");
  add_number(app, "blend-margin", options.blend_margin, kGrowRange,
             "p2p: put the source's pixels back that are further from\nthe edit than so many "
             "(without: no pixel is put back)");
  add_path(app, "blend-mask", options.blend_mask, "FILE",
           "p2p: edit only where this picture is white");
}

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

}  // namespace

void add_swap_options(CLI::App& app, SwapOptions& options) {
  add_parsed(
      app, "sprompt", [&options](const std::string& text) { options.source = text; }, "TEXT",
      "The source: what the targets take their attention from");
  app.add_flag("--is-swap,--is_swap", options.is_swap, "Swap (naming a source is enough)");
  const Choices<SwapMode> modes = {{"fork", SwapMode::kFork}, {"p2p", SwapMode::kPromptToPrompt}};
  add_choice(
      app, "mode", options.mode, modes,
      "fork: maps of tokens that stand in the same place, in\nall rows; p2p: Prompt-to-Prompt")
      ->default_str("fork");
  add_number(app, "tthres", options.tthres, kTimestepRange,
             "fork: swap while the timestep is not below this one");
  add_repeated(
      app, "cross-steps",
      [&options](const std::string& text) {
        options.cross_steps.push_back(parse_word_steps("--cross-steps", text));
      },
      "[WORD=]A:B",
      "p2p: steps in which words follow the source (0:0.8),\nin fractions of all; one word's own: "
      "\"cat=0:0.4\"");
  add_repeated(
      app, "cross-box", [&options](const std::string& word) { options.cross_box.push_back(word); },
      "WORD",
      "p2p: what follows this word of the source may fill the\nbox around it, not its outline "
      "alone. May be given again");
  add_parsed(
      app, "self-steps",
      [&options](const std::string& text) {
        options.self_steps = parse_steps("--self-steps", text, /*may_be_empty=*/true);
      },
      "A:B", "p2p: steps in which self-attention is the source's\n(0:0.4)");
  add_whole(app, "self-max-res", options.self_max_res, kLatentSideRange,
            "p2p: in layers of at most so many latent pixels of 64\n(16); scaled with the latents");
  add_blend_options(app, options);
  app.add_flag("--dry-run,--dry_run", options.dry_run, "Print what would happen to each token");
}

void print_alignment(const DrawOptions& options, const Tokenizer& tokenizer) {
  const auto source = tokenizer.readable(*options.swap.source);
  const auto source_tokens = tokenizer.encode(source);
  StandardOutput output;
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

}  // namespace sd::cli
