#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/models/file_info.h"
#include "cli/parser/option_groups.h"
#include "cli/record/repeat_command.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

namespace sd::cli {
namespace {

constexpr const char* kInfoDescription =
    R"(Prints what pictures and checkpoints hold; loads no model.

Examples:
  sd info outputs/txt2img-samples/samples/00000.png
  sd info --json *.png
  sd info --as-args picture.jpg
  sd info models/demo
  sd info --no-hash v1-5-pruned.safetensors)";

struct InfoOptions {
  std::vector<std::string> files;
  bool json = false;
  bool as_args = false;
  bool no_hash = false;
};

/// The command as text or JSON; what is to be said beside it goes to stderr, or into the JSON.
std::string as_args(const std::string& file, bool json) {
  const auto [command, notes] = repeat_command(file);
  if (json) {
    return json_line_of("command", {{"file", file}, {"command", command}, {"notes", notes}});
  }
  for (const auto& note : notes) print_message(fmt::format("{}: {}", file, note));
  return command;
}

std::string described(const std::string& file, const InfoOptions& options) {
  if (options.as_args) return as_args(file, options.json);
  const auto info = describe_file(file, !options.no_hash);
  return options.json ? json_line_of(info.at("kind").get<std::string>(), info) : text_of(info);
}

/// Describes each file; one that cannot be read does not keep the others from being described.
int run(const InfoOptions& options) {
  if (options.files.empty())
    throw UsageError("info: give at least one file\nExample: sd info picture.png");
  StandardOutput output;
  std::size_t failed = 0;
  int code = 0;
  for (const auto& file : options.files) {
    std::string message;
    const int ended = run_caught(
        [&] {
          output.line(with_files_unchanged([&] { return described(file, options); }));
          return 0;
        },
        /*verbose=*/false, message);
    if (ended == 0) continue;
    report_error(message, ended, options.json, {{"file", file}});
    ++failed;
    code = ended;
  }
  const bool some = failed > 0 && options.files.size() > 1;
  return some ? static_cast<int>(ExitCode::kPartOfBatch) : code;
}

}  // namespace

Command add_info(CLI::App& app) {
  auto* parser = app.add_subcommand("info", kInfoDescription)->group("Commands");
  auto options = std::make_shared<InfoOptions>();
  parser
      ->add_option("FILE", options->files,
                   "Pictures (PNG, JPEG, WebP), checkpoints (.ckpt, .safetensors) or\n"
                   "diffusers folders")
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  parser->add_flag("--json", options->json, "One JSON object a line");
  parser->add_flag("--as-args,--as_args", options->as_args,
                   "Print the command that draws the picture again");
  parser->add_flag("--no-hash,--no_hash", options->no_hash,
                   "Leave out the SHA-256 of checkpoints, which takes a while\nthe first time");
  return {parser, [options] { return run(*options); }};
}

}  // namespace sd::cli
