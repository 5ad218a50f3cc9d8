// Lines of task lists, axes of grids and templates of names: any bytes, by the first one's choice.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "cli/commands/commands.h"
#include "cli/options/name_template.h"
#include "cli/tasks/grid_axes.h"
#include "cli/tasks/task_list.h"
#include "cli/tasks/task_parser.h"
#include "sd/core/error.h"

namespace {

using namespace sd::cli;

void check_list(const std::string& text) {
  std::istringstream input(text);
  const auto tasks = task_lines(parse_prompt_list(input), "-");
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].number != static_cast<int64_t>(i)) std::abort();
    if (i > 0 && tasks[i].line <= tasks[i - 1].line) std::abort();
  }
}

void check_words(const std::string& text) {
  std::size_t bytes = 0;
  for (const auto& word : split_words(text)) bytes += word.size();
  if (bytes > text.size()) std::abort();
}

void check_object(const std::string& text) {
  static CLI::App app;
  static const auto command = add_txt2img(app);
  for (const auto& setting : object_settings(text, *command.parser)) {
    if (command.parser->get_option_no_throw(setting.option) == nullptr) std::abort();
  }
}

void check_grid(const std::string& text) {
  for (const auto& axis : parse_grid(text)) {
    if (axis.key.empty() || axis.values.empty()) std::abort();
  }
}

/// Whatever the template and the prompt, the name stays below its folder.
void check_name(const std::string& text) {
  const auto middle = text.size() / 2;
  NameFields fields;
  fields.prompt = text.substr(middle);
  fields.date = "2026-01-31", fields.time = "12-00-00", fields.sampler = "ddim",
  fields.scale = "7.5";
  const auto name = NameTemplate::parse(text.substr(0, middle)).expand(fields);
  if (name.empty() || name.is_absolute()) std::abort();
  for (const auto& part : name) {
    if (part == ".." || part == "." || part.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  using Check = void (*)(const std::string&);
  constexpr Check kChecks[] = {check_list, check_words, check_object, check_grid, check_name};
  try {
    kChecks[bytes[0] % std::size(kChecks)](text);
  } catch (const sd::UsageError&) {
  }
  return 0;
}
