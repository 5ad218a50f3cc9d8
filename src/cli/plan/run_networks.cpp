#include "cli/plan/run_networks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "cli/models/named_networks.h"
#include "cli/shell/text_output.h"
#include "core/file_stamp.h"
#include "sd/core/error.h"
#include "sd/weights/open.h"

namespace sd::cli {

NetworkShelf::Entry& NetworkShelf::at(const std::filesystem::path& path) {
  const auto stamp = stamp_at(path);
  auto& entry = entries_[path];
  if (entry.network == nullptr || !(entry.stamp == stamp)) entry = {stamp, open_network(path), {}};
  return entry;
}

const TensorSource& NetworkShelf::tensors_of(const InspectedModel& model) {
  if (&model != model_ || tensors_ == nullptr) {
    tensors_ = open_model(model.files.checkpoint, model.files.separate).tensors;
    model_ = &model;
  }
  return *tensors_;
}

namespace {

/// "unmatched: a, b, c and 11 more"
std::string unmatched_text(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i)
    text += (i > 0 ? ", " : "") + printable(names[i]);
  return names.size() > kShown ? fmt::format("{} and {} more", text, names.size() - kShown) : text;
}

std::string key_of(const std::filesystem::path& path, const AppliedNetwork& applied,
                   const NetworkSteps& steps) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", path.string(), applied.text_encoder, applied.unet,
                     fmt::join(applied.blocks, ","), steps.start.value_or(-1),
                     steps.stop.value_or(-1));
}

class Finder {
 public:
  Finder(const DrawOptions& options, const InspectedModel& model, PlanContext& context)
      : options_(options), model_(model), context_(context) {
    if (context.networks == nullptr) context.networks = std::make_shared<NetworkShelf>();
  }

  /// The number of what an option asks for.
  std::size_t of_option(const std::string& option, const std::string& text) {
    const auto words = parse_network_words(text);
    return number_of(find_network(option, words.name, network_folders(model_.files.checkpoint)),
                     words);
  }

  /// Those of the tags in a prompt.
  NetworkNumbers of_prompt(const std::string& prompt, const PromptReader& reader) {
    NetworkNumbers numbers;
    for (const auto& tag : reader.network_tags(prompt)) {
      if (!tag.is_lora) continue;
      const auto what = prompt.substr(tag.begin, tag.end - tag.begin);
      numbers.push_back(of_tag(what, tag.words));
    }
    return numbers;
  }

  std::vector<RunNetwork> take() {
    context_.networks->close_model();
    return std::move(all_);
  }

 private:
  std::size_t of_tag(const std::string& what, const std::string& text) {
    NetworkWords words;
    try {
      words = parse_network_words(text);
    } catch (const UsageError& error) {
      throw UsageError(fmt::format("{}: {}", what, error.what()));
    }
    // A name alone: what a prompt from elsewhere says opens no path.
    return number_of(network_named(what, words.name, network_folders(model_.files.checkpoint)),
                     words);
  }

  std::size_t number_of(const std::filesystem::path& path, const NetworkWords& words) {
    auto& entry = context_.networks->at(path);
    AppliedNetwork applied{entry.network, words.text_encoder, words.unet, words.blocks};
    const auto [place, is_new] =
        numbers_.try_emplace(key_of(path, applied, words.steps), all_.size());
    if (!is_new) return place->second;
    const auto match =
        match_network(entry.network, context_.networks->tensors_of(model_), model_.config);
    const auto name = path.stem().string();
    if (entry.told.insert(&model_).second) tell(name, entry.network->info(), match);
    all_.push_back({path, name, std::move(applied), words.steps});
    return all_.size() - 1;
  }

  void tell(const std::string& name, const NetworkInfo& info, const NetworkMatch& match) {
    if (options_.quiet) return;
    auto line = fmt::format("lora {}: {}", name, match_text(info, match));
    if (!match.unmatched.empty())
      line += fmt::format("; the model has no place for {}", unmatched_text(match.unmatched));
    context_.say(line);
  }

  const DrawOptions& options_;
  const InspectedModel& model_;
  PlanContext& context_;
  std::map<std::string, std::size_t> numbers_;
  std::vector<RunNetwork> all_;
};

bool has(const NetworkNumbers& numbers, std::size_t number) {
  return std::ranges::find(numbers, number) != numbers.end();
}

void append(NetworkNumbers& numbers, const NetworkNumbers& more) {
  numbers.insert(numbers.end(), more.begin(), more.end());
}

/// Takes those that every prompt has in every step out of the prompts'. One that a prompt has twice
/// stays there: it counts twice.
void merge_common(RunNetworks& networks) {
  const auto is_common = [&](std::size_t number) {
    const auto once = [&](const NetworkNumbers& numbers) {
      return std::ranges::count(numbers, number) == 1;
    };
    return std::ranges::all_of(networks.sets, [&](const RunNetworks::Uses& uses) {
      return std::ranges::all_of(uses.targets, once) && once(uses.source);
    });
  };
  for (std::size_t number = 0; number < networks.all.size(); ++number) {
    if (networks.all[number].steps.are_all() && is_common(number))
      networks.merged.push_back(number);
  }
  bool others = false;
  for (auto& uses : networks.sets) {
    const auto keep_others = [&](NetworkNumbers& numbers) {
      std::erase_if(numbers, [&](std::size_t number) { return has(networks.merged, number); });
      others |= !numbers.empty();
    };
    for (auto& target : uses.targets) keep_others(target);
    keep_others(uses.source);
  }
  if (!others) networks.sets.clear();
}

}  // namespace

std::string RunNetworks::key() const {
  std::string key;
  const auto add = [&key](const NetworkNumbers& numbers) {
    key += fmt::format("[{}]", fmt::join(numbers, ","));
  };
  for (const auto& network : all)
    key += key_of(network.path, network.applied, network.steps) + "\n\n";
  add(merged);
  for (const auto& uses : sets) {
    for (const auto& target : uses.targets) add(target);
    add(uses.source);
  }
  return key;
}

std::vector<AppliedNetwork> RunNetworks::merged_networks() const {
  std::vector<AppliedNetwork> networks;
  for (const auto number : merged) networks.push_back(all[number].applied);
  return networks;
}

RunNetworks run_networks(const DrawOptions& options, const RunPrompts& prompts,
                         const PromptReader& reader, const InspectedModel& model,
                         PlanContext& context) {
  Finder finder(options, model, context);
  NetworkNumbers of_all, of_targets;
  for (const auto& text : options.networks.loras)
    of_all.push_back(finder.of_option("--lora", text));
  for (const auto& text : options.networks.target_loras)
    of_targets.push_back(finder.of_option("--target-lora", text));
  RunNetworks networks;
  for (const auto& set : prompts.sets) {
    RunNetworks::Uses uses;
    for (const auto& target : set.targets) {
      auto& numbers = uses.targets.emplace_back(of_all);
      append(numbers, of_targets);
      append(numbers, finder.of_prompt(target, reader));
    }
    if (set.source) {
      uses.source = of_all;
      append(uses.source, finder.of_prompt(*set.source, reader));
    } else {
      uses.source = uses.targets.front();  // nobody's: what holds for targets holds for it
    }
    networks.sets.push_back(std::move(uses));
  }
  networks.all = finder.take();
  merge_common(networks);
  return networks;
}

}  // namespace sd::cli
