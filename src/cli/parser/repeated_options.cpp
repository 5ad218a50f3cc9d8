#include "cli/parser/repeated_options.h"

#include <fmt/format.h>

#include <array>
#include <string>

#include "cli/parser/app_outline.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// Whoever gives one of these twice wants both, and would get one without a word.
constexpr std::array<const char*, 6> kGivenOnce = {
    "--prompt", "--negative-prompt", "--sprompt", "--from-file", "--init-img", "--init-mask"};

constexpr std::size_t kShown = 40;

}  // namespace

void reject_repeated(const CLI::App& command) {
  for (const char* name : kGivenOnce) {
    const CLI::Option* option = command.get_option_no_throw(name);
    if (option == nullptr || option->count() < 2 || outline_of(*option).repeated) continue;
    const auto& values = option->results();
    for (const auto& value : values) {
      if (value == values.front()) continue;
      const bool prompt = name == std::string("--prompt");
      throw UsageError(fmt::format(
          "{}: given more than once, as '{}' and as '{}'{}", name, shorten(values.front(), kShown),
          shorten(value, kShown),
          prompt ? "\nSeveral prompts are a list: --from-file FILE, a prompt a line (- is standard "
                   "input)."
                 : ""));
    }
  }
}

}  // namespace sd::cli
