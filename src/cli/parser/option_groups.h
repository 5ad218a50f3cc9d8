#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/choices.h"
#include "cli/options/option_values.h"
#include "sd/core/compute.h"

namespace sd::cli {

/// "--ddim_steps,--ddim-steps": every option is known with dashes and with underscores; help shows
/// the first. "ddim_steps,steps" are two names of one option; help shows both. Other programs'
/// names for the first one (option_synonyms.h) are added.
std::string spellings(const std::string& name);

// Each adds `--name VALUE` and checks it when it is parsed: UsageError says what was given and what
// is expected.

CLI::Option* add_whole(CLI::App& app, const std::string& name, int64_t& value, Range<int64_t> range,
                       const std::string& help);
CLI::Option* add_whole(CLI::App& app, const std::string& name, std::optional<int64_t>& value,
                       Range<int64_t> range, const std::string& help);
CLI::Option* add_number(CLI::App& app, const std::string& name, double& value, Range<double> range,
                        const std::string& help);
CLI::Option* add_number(CLI::App& app, const std::string& name, std::optional<double>& value,
                        Range<double> range, const std::string& help);
/// Adds `--name VALUE`, which `parse` reads; it may throw UsageError.
CLI::Option* add_parsed(CLI::App& app, const std::string& name,
                        const std::function<void(const std::string&)>& parse,
                        const std::string& type, const std::string& help);
/// The same for an option that may be given again: `parse` gets one value after the other.
CLI::Option* add_repeated(CLI::App& app, const std::string& name,
                          const std::function<void(const std::string&)>& parse,
                          const std::string& type, const std::string& help);
CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& value,
                      const std::string& help);
CLI::Option* add_path(CLI::App& app, const std::string& name,
                      std::optional<std::filesystem::path>& value, const std::string& type,
                      const std::string& help);

CLI::Option* add_device(CLI::App& app, DeviceChoice& value, const std::string& help);

template <typename Value>
CLI::Option* add_choice(CLI::App& app, const std::string& name, Value& value,
                        const Choices<Value>& choices, const std::string& help) {
  std::vector<std::string> words;
  for (const auto& choice : choices) words.push_back(choice.first);
  const auto parse = [name, &value, choices, words](const std::string& word) {
    for (const auto& [known, meaning] : choices) {
      if (known != word) continue;
      value = meaning;
      return;
    }
    reject_word("--" + name, word, words);
  };
  return app.add_option_function<std::string>(spellings(name), parse, help)
      ->type_name(words_type(words));
}

/// The last of two equal options wins, as with argparse.
void set_parsing_rules(CLI::App& app);

}  // namespace sd::cli
