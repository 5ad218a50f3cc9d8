#include "cli/record/repeat_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/models/find_model.h"
#include "cli/models/named_embeddings.h"
#include "cli/models/named_networks.h"
#include "cli/options/given_options.h"
#include "cli/options/network_options.h"
#include "cli/record/infotext_command.h"
#include "cli/record/repeat_args.h"
#include "cli/record/repeat_list.h"
#include "cli/shell/shell_words.h"
#include "cli/shell/text_output.h"
#include "image/json_text.h"
#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "sd/image/foreign_recipe.h"
#include "sd/image/metadata.h"
#include "sd/networks/network.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kMostArgs = 10'000;

std::optional<GivenCommand> command_of(const Json& settings, std::vector<std::string>& notes) {
  if (!settings.is_object() || !settings.contains("args")) return std::nullopt;
  const auto& args = settings["args"];
  if (!args.is_array() || args.size() > kMostArgs) return std::nullopt;
  std::vector<std::string> words;
  for (const auto& arg : args) {
    const auto* text = arg.get_ptr<const std::string*>();
    if (text == nullptr || text->find('\0') != std::string::npos) return std::nullopt;
    words.push_back(*text);
  }
  std::vector<std::string> unknown;
  auto command = command_of_words(words, &unknown);
  for (const auto& name : unknown)
    notes.push_back(fmt::format("--{}: there is no such option here, so it is left out", name));
  return command;
}

void note_files(const GivenCommand& command, const Json& settings,
                std::vector<std::string>& notes) {
  const auto hashes = object_at(settings, "file_hashes");
  for (const auto& [name, key, path, hashed] : named_files(command)) {
    std::error_code ignored;
    const auto was = hashed ? value_at(hashes, key.c_str(), std::string()) : std::string();
    if (key == "from-file" && lost_its_list(command, settings)) continue;
    if (name == "from-file" && path == "-") {
      notes.push_back("its prompts came from standard input: give the command the same ones there");
    } else if (!fs::exists(path, ignored)) {
      notes.push_back(fmt::format("--{}: {} is not here", name, path.string()));
    } else if (!was.empty() && was != short_hash(path)) {
      notes.push_back(fmt::format("--{}: {} has changed since", name, path.string()));
    }
  }
}

/// Where an embedding of this name lies now: what the command gives, else what its prompts find.
std::optional<fs::path> embedding_file(const GivenCommand& command, const std::string& name,
                                       const std::string& file) {
  for (const auto& [option, value] : command.options) {
    if (option == "embedding" && value && fs::path(*value).filename() == file) return *value;
  }
  const auto named = named_embeddings(embedding_folders());
  const auto found = std::ranges::find(named, name, &NamedEmbedding::name);
  return found == named.end() ? std::nullopt : std::optional(found->path);
}

/// Embeddings are found by their names again, and may be others.
void note_embeddings(const GivenCommand& command, const Json& settings,
                     std::vector<std::string>& notes) {
  if (!settings.contains("embeddings") || !settings["embeddings"].is_array()) return;
  for (const auto& used : settings["embeddings"]) {
    if (!used.is_object()) continue;
    const auto name = value_at(used, "name", std::string());
    const auto hash = value_at(used, "hash", std::string());
    const auto file = embedding_file(command, name, value_at(used, "file", std::string()));
    std::error_code ignored;
    if (!file) {
      notes.push_back(fmt::format(
          "the embedding '{}' is not here: put its file into the folder SD_EMBEDDING_DIR", name));
    } else if (fs::exists(*file, ignored) && !sha256_file(*file).starts_with(hash)) {
      notes.push_back(
          fmt::format("the embedding '{}', {}, is not the one of then", name, file->string()));
    }
  }
}

/// Leaves the others of its run out; what they take from the common random numbers is skipped.
void choose_picture(GivenCommand& command, const Json& run, std::vector<std::string>& notes) {
  const auto samples = value_at(run, "samples", int64_t{1});
  if (value_at(run, "grid", int64_t{0}) > 0) {
    notes.push_back("a grid: the command draws all of its pictures again");
  } else if (samples > 1) {
    command.options.push_back({"only", std::to_string(value_at(run, "sample_index", int64_t{0}))});
  }
}

/// The weights that the command would draw with; empty where it would find none.
fs::path model_of(const GivenCommand& command) {
  std::optional<fs::path> ckpt;
  for (const auto& [name, value] : command.options) {
    if (name == "ckpt" && value) ckpt = *value;
  }
  try {
    return find_model(ckpt, model_roots()).checkpoint;
  } catch (const Error&) {
    return {};
  }
}

/// LoRAs are found again by their names, whether an option or a prompt has them.
void note_loras(const GivenCommand& command, const Json& settings,
                std::vector<std::string>& notes) {
  std::map<std::string, fs::path> given;  // by path
  for (const auto& [name, value] : command.options) {
    if (!value || (name != "lora" && dashed(name) != "target-lora")) continue;
    for (const auto& path : network_paths(*value)) given[path.stem().string()] = path;
  }
  const auto hashes = object_at(settings, "lora_hashes");
  if (!hashes.is_object()) return;
  const auto folders = network_folders(model_of(command));
  for (const auto& [name, hash] : hashes.items()) {
    const auto* was = hash.get_ptr<const std::string*>();
    if (was == nullptr) continue;
    try {
      const auto by_path = given.find(name);
      const auto found =
          by_path != given.end() ? by_path->second : network_named("lora", name, folders);
      if (!network_hash(found).starts_with(*was))
        notes.push_back(fmt::format("the LoRA {}: {} is another file than then", printable(name),
                                    found.string()));
    } catch (const Error&) {
      notes.push_back(fmt::format("the LoRA {} is not here", printable(name)));
    }
  }
}

std::vector<std::string> notes_of(const GivenCommand& command, const Json& settings) {
  std::vector<std::string> notes;
  if (!command.has("ckpt")) {
    const auto model = object_at(settings, "model");
    notes.push_back(fmt::format("no --ckpt was given; what was found was {} ({})",
                                value_at(model, "name", std::string("?")),
                                value_at(model, "hash", std::string("?"))));
  }
  const auto version = value_at(settings, "version", std::string("?"));
  if (version != SD_VERSION) {
    notes.push_back(fmt::format("made by sd {}, this is {}", version, SD_VERSION));
  }
  note_files(command, settings, notes);
  note_loras(command, settings, notes);
  note_embeddings(command, settings, notes);
  return notes;
}

/// Throws IoError naming the program where nothing of what it wrote can be read.
GuessedCommand guess_of(const ForeignRecipe& recipe, const fs::path& picture, Size size) {
  const auto& info = recipe.info;
  const bool says =
      !info.prompt.empty() || std::ranges::any_of(info.settings, [](const auto& setting) {
        return setting.first == "Steps" || setting.first == "Seed";
      });
  if (says) return command_of_recipe(recipe, size);
  throw IoError(fmt::format(
      "{}: its metadata are those of {}, of which nothing can be read here{}{}", picture.string(),
      recipe.program, recipe.notes.empty() ? "" : ": ", fmt::join(recipe.notes, "; ")));
}

RepeatCommand finish(const GivenCommand& command, std::vector<std::string> notes) {
  auto words = words_of(command);
  words.insert(words.begin(), "sd");
  return {shell_line(words), std::move(notes)};
}

}  // namespace

RepeatCommand repeat_command(const fs::path& picture) {
  const auto metadata = read_metadata(picture);
  for (const auto& [keyword, text] : metadata.texts) {
    if (keyword != "sd") continue;
    const auto settings = parse_object(text).value_or(Json());
    std::vector<std::string> notes;
    auto command = command_of(settings, notes);
    if (!command) continue;  // not ours, or spoiled: the infotext may be whole
    std::string pipe;
    if (lost_its_list(*command, settings)) {
      pipe = draw_without_list(*command, settings, notes);
    } else {
      choose_picture(*command, object_at(settings, "run"), notes);
    }
    const auto more = notes_of(*command, settings);
    notes.insert(notes.end(), more.begin(), more.end());
    command->options.push_back({"no-config", std::nullopt});  // whose settings are among the words
    auto repeat = finish(*command, std::move(notes));
    repeat.command = pipe + repeat.command;
    return repeat;
  }
  if (const auto recipe = foreign_recipe(metadata)) {
    auto guess = guess_of(*recipe, picture, {metadata.width, metadata.height});
    return finish(guess.command, std::move(guess.notes));
  }
  if (!metadata.parameters) {
    throw IoError(fmt::format(
        "{}: the picture does not say how it was made\nExpected the settings that sd writes, the "
        "infotext of AUTOMATIC1111's web UI, or what ComfyUI, InvokeAI, NovelAI, Fooocus or Easy "
        "Diffusion write; image editors and many sites drop all of it: take the file as it was "
        "written.",
        picture.string()));
  }
  auto guess = command_of_infotext(*metadata.parameters);
  return finish(guess.command, std::move(guess.notes));
}

}  // namespace sd::cli
