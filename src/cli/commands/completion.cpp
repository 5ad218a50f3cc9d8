#include "cli/commands/completion.h"

#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/models/named_models.h"
#include "cli/options/choices.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

using Writer = std::string (*)(const AppOutline&);

constexpr const char* kCompletionDescription =
    R"(Prints completions for a shell: commands, options, their values, models.

Examples:
  source <(sd completion bash)
  sd completion bash > ~/.local/share/bash-completion/completions/sd
  sd completion zsh > ~/.zfunc/_sd
  sd completion fish > ~/.config/fish/completions/sd.fish)";

const Choices<Writer>& writers() {
  static const Choices<Writer> choices = {
      {"bash", bash_completion}, {"zsh", zsh_completion}, {"fish", fish_completion}};
  return choices;
}

struct CompletionOptions {
  std::string shell;
  bool models = false;
};

int run(const CompletionOptions& options, const CLI::App& app) {
  StandardOutput output;
  if (options.models) {
    for (const auto& name : model_names(models_folder())) output.line(name);
    return static_cast<int>(ExitCode::kDone);
  }
  std::vector<std::string> shells;
  for (const auto& [shell, writer] : writers()) {
    shells.push_back(shell);
    if (shell != options.shell) continue;
    output.line(writer(outline_of(app)));
    return static_cast<int>(ExitCode::kDone);
  }
  if (options.shell.empty()) {
    throw UsageError(
        fmt::format("completion: name the shell, one of {}\n"
                    "Example: source <(sd completion bash)",
                    fmt::join(shells, ", ")));
  }
  reject_word("completion", options.shell, shells);
}

}  // namespace

Command add_completion(CLI::App& app) {
  auto* parser = app.add_subcommand("completion", kCompletionDescription)->group("Set-up");
  auto options = std::make_shared<CompletionOptions>();
  std::vector<std::string> shells;
  for (const auto& writer : writers()) shells.push_back(writer.first);
  parser->add_option("SHELL", options->shell, "bash, zsh or fish")
      ->type_name("{" + CLI::detail::join(shells, ",") + "}");
  parser->add_flag("--models", options->models, "Print the names of the models in SD_MODELS_DIR");
  return {parser, [options, &app] { return run(*options, app); }};
}

}  // namespace sd::cli
