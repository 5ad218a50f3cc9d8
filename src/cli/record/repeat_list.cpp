#include "cli/record/repeat_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "cli/options/seed_options.h"
#include "cli/record/repeat_args.h"
#include "cli/shell/shell_words.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

GivenOption* find_option(GivenCommand& command, std::string_view name) {
  const auto found = std::ranges::find_if(
      command.options, [&](const GivenOption& option) { return dashed(option.name) == name; });
  return found == command.options.end() ? nullptr : &*found;
}

void remove(GivenCommand& command, std::string_view name) {
  std::erase_if(command.options,
                [&](const GivenOption& option) { return dashed(option.name) == name; });
}

void set(GivenCommand& command, const char* name, std::string value) {
  remove(command, dashed(name));
  command.options.push_back({name, std::move(value)});
}

/// Where a picture stands in its run.
struct Place {
  explicit Place(const Json& run)
      : together(value_at(run, "n_samples", int64_t{1})),
        prompts(value_at(run, "prompt_count", int64_t{1})),
        batch_size(value_at(run, "batch_size", int64_t{1})),
        iteration(value_at(run, "iteration", int64_t{0})),
        sample(value_at(run, "sample", int64_t{0})),
        sample_index(value_at(run, "sample_index", int64_t{0})) {}

  bool is_possible() const {
    constexpr int64_t kMost = 1'000'000'000;
    const auto counts = [](int64_t value) { return value >= 1 && value <= kMost; };
    return counts(together) && counts(prompts) && counts(batch_size) && sample >= 0 &&
           sample < together && sample_index >= 0 && sample_index <= kMost;
  }
  /// Whether all batches up to this one have its size.
  bool is_even() const {
    return prompts < together || prompts % together == 0 ||
           (iteration == 0 && batch_size == together);
  }

  int64_t together, prompts, batch_size, iteration, sample, sample_index;
};

/// Values for each sample need as many samples as there were.
bool sweeps(GivenCommand& command) {
  return std::ranges::any_of(command.options, [](const GivenOption& option) {
    return dashed(option.name) == "reweight" && option.value &&
           option.value->find(',') != std::string::npos;
  });
}

/// Draws `sample` of a batch that begins with the picture's own seed: seeds count on from picture
/// to picture.
void move_seeds(GivenCommand& command, const Place& place) {
  const auto ahead = static_cast<uint64_t>(place.sample_index - place.sample);
  if (auto* seed = find_option(command, "seed"); seed != nullptr && seed->value) {
    if (const auto first = parse_seed(*seed->value)) seed->value = std::to_string(*first + ahead);
  }
  if (auto* variation = find_option(command, "variation");
      variation != nullptr && variation->value) {
    const auto seed = parse_variation(*variation->value).seed;
    const auto colon = variation->value->find(':');
    variation->value = std::to_string(seed + ahead) + variation->value->substr(colon);
  }
}

struct Prompts {
  std::string target;
  std::optional<std::string> source;  // of a swap
};

/// A source's picture does not tell its target, which has no part in it.
Prompts prompts_of(const Json& settings) {
  Prompts prompts{value_at(settings, "prompt", std::string()), std::nullopt};
  const auto swap = object_at(settings, "swap");
  if (swap.contains("source")) prompts.source = value_at(swap, "source", std::string());
  return prompts;
}

void choose(GivenCommand& command, int64_t n_samples, int64_t n_iter, int64_t only) {
  set(command, "n_samples", std::to_string(n_samples));
  set(command, "n_iter", std::to_string(n_iter));
  remove(command, "only");
  if (n_samples * n_iter > 1) set(command, "only", std::to_string(only));
}

}  // namespace

Json object_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

bool lost_its_list(const GivenCommand& command, const Json& settings) {
  const auto run = object_at(settings, "run");
  if (value_at(run, "grid", int64_t{0}) > 0 || !Place(run).is_possible()) return false;
  for (const auto& option : command.options) {
    if (dashed(option.name) != "from-file" || !option.value) continue;
    std::error_code ignored;
    const auto was = value_at(object_at(settings, "file_hashes"), "from-file", std::string());
    return *option.value == "-" || !std::filesystem::exists(*option.value, ignored) ||
           (!was.empty() && was != short_hash(*option.value));
  }
  return false;
}

std::string draw_without_list(GivenCommand& command, const Json& settings,
                              std::vector<std::string>& notes) {
  const Place place(object_at(settings, "run"));
  const auto [target, source] = prompts_of(settings);
  const auto list = find_option(command, "from-file")->value.value_or("");
  notes.push_back(
      fmt::format("its prompts came from {}: this picture's own stands in their place",
                  list == "-" ? "standard input" : list + ", which is gone or changed"));
  remove(command, "combinations");
  const bool own_streams = value_at(settings, "seed_mode", std::string()) == "image";
  const bool short_list = place.prompts < place.together;
  const bool of_all_samples = command.has("fixed-code") || sweeps(command);
  const bool even = place.is_even() && !(short_list && of_all_samples);
  if (!even && (!own_streams || command.has("init-latents"))) {
    remove(command, "sprompt");
    set(command, "from-file", "-");
    set(command, "only", std::to_string(place.sample_index));
    const auto line = source ? *source + "\t" + target : target;
    return fmt::format("{} | head -n {} | ", shell_line({"yes", "--", line}), place.prompts);
  }
  remove(command, "sprompt");
  const auto at = std::ranges::find_if(command.options, [](const GivenOption& option) {
    return dashed(option.name) == "from-file";
  });
  *at = {"prompt", target};
  if (source) command.options.insert(at, GivenOption{"sprompt", *source});
  if (even) {
    const auto together = short_list ? place.prompts : place.together;
    choose(command, together, place.sample_index / together + 1, place.sample_index);
  } else {
    move_seeds(command, place);
    choose(command, place.together, 1, place.sample);
  }
  return {};
}

}  // namespace sd::cli
