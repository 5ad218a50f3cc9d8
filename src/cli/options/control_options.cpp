#include "cli/options/control_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/options/attn_lists.h"
#include "cli/shell/option_groups.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// Where "word=rest" is cut: at the last '=', as words may hold one.
std::pair<std::string, std::string_view> cut_at_equals(std::string_view text) {
  const auto equals = text.rfind('=');
  if (equals == std::string_view::npos) return {"", text};
  return {std::string(text.substr(0, equals)), text.substr(equals + 1)};
}

}  // namespace

WordWeight parse_word_weight(std::string_view text) {
  auto [word, numbers] = cut_at_equals(text);
  if (word.empty()) {
    throw UsageError(
        fmt::format("--reweight: '{}' names no word\nExpected WORD=NUMBER, such as \"snowy=2\", or "
                    "a number for each sample: \"snowy=-2,1,5\".",
                    text));
  }
  return {std::move(word), parse_numbers("--reweight", numbers)};
}

WordSteps parse_word_steps(std::string_view option, std::string_view text) {
  auto [word, steps] = cut_at_equals(text);
  return {std::move(word), parse_steps(option, steps, /*may_be_empty=*/true)};
}

void add_reweight_options(CLI::App& app, ControlOptions& options) {
  add_repeated(
      app, "reweight",
      [&options](const std::string& text) { options.reweight.push_back(parse_word_weight(text)); },
      "WORD=X[,X...]",
      "Multiply the attention paid to a word (a phrase, cat#2\nfor its second occurrence, @8 for a "
      "token); a value for\nall samples or one for each. May be given again");
  add_parsed(
      app, "reweight-steps",
      [&options](const std::string& text) {
        options.reweight_steps = parse_steps("--reweight-steps", text, true);
      },
      "A:B", "Only in these steps, in fractions of all (0:1)");
}

void add_scope_options(CLI::App& app, ControlOptions& options) {
  add_scope_options_but_res(app, options);
  add_parsed(
      app, "res",
      [&options](const std::string& text) {
        options.resolutions = parse_resolutions("--res", text);
      },
      "LIST", "Control only layers of so many latent pixels: 16,32");
}

void add_scope_options_but_res(CLI::App& app, ControlOptions& options) {
  add_parsed(
      app, "layers",
      [&options](const std::string& text) { options.parts = parse_parts("--layers", text); },
      "LIST", "Control only these parts of the UNet: down,middle,up");
  add_parsed(
      app, "heads",
      [&options](const std::string& text) { options.heads = parse_heads("--heads", text); }, "LIST",
      "Control only these attention heads: 0-3,6");
  const Choices<std::optional<bool>> rows = {{"cond", false}, {"both", true}};
  add_choice(app, "rows", options.both_rows, rows,
             "Control the prompt's rows, or the negative prompt's too\n(default: what each control "
             "does where it comes from)");
}

}  // namespace sd::cli
