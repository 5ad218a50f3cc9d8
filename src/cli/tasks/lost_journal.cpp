#include "cli/tasks/lost_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/options/name_template.h"
#include "cli/record/picture_record.h"
#include "image/json_text.h"
#include "sd/image/whole.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string joined(std::string_view command, uint64_t seed, std::string_view negative,
                   const std::vector<std::string>& prompts, std::string_view source) {
  std::string key = fmt::format("{} {}", command, seed);
  const auto add = [&](std::string_view text) { key += fmt::format(" {}:{}", text.size(), text); };
  add(negative);
  add(source);
  for (const auto& prompt : prompts) add(prompt);
  return key;
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The keys of tasks that a picture with these settings may be of; of several targets beside one
/// source a picture names its own alone.
std::string key_of(const Json& settings) {
  const auto seed = settings.find("seed");
  if (seed == settings.end() || !seed->is_number_unsigned()) return {};
  std::vector<std::string> prompts = {text_at(settings, "prompt")};
  std::string source;
  if (const auto swap = settings.find("swap"); swap != settings.end() && swap->is_object())
    source = text_at(*swap, "source");
  if (const auto all = settings.find("combinations"); all != settings.end() && all->is_object()) {
    const auto given = all->find("prompts");
    if (given != all->end() && given->is_array() && !given->empty() && given->front().is_string())
      prompts = {given->front().get<std::string>()};
    if (const auto said = text_at(*all, "source"); !said.empty()) source = said;
  }
  return joined(text_at(settings, "command"), seed->get<uint64_t>(),
                text_at(settings, "negative_prompt"), prompts, source);
}

/// The key that a picture tells; empty for others.
std::string key_in(const fs::path& picture) {
  for (const auto& [keyword, text] : leading_texts(picture)) {
    if (keyword != "sd") continue;
    const auto settings = parse_object(text);
    if (settings) return key_of(*settings);
  }
  return {};
}

/// The number in a picture's name, which "-000" and on may follow where a task has several.
std::optional<int64_t> number_in(const NameTemplate& names, const std::string& stem) {
  constexpr std::size_t kLeast = 4;  // "-000"
  if (const auto number = names.number_in(stem)) return number;
  const auto dash = stem.rfind('-');
  if (!names.is_number_alone() || dash == stem.npos || stem.size() - dash < kLeast) return {};
  if (stem.find_first_not_of("0123456789", dash + 1) != stem.npos) return {};
  return names.number_in(stem.substr(0, dash));
}

/// Calls `visit` with each file below a folder and the number in its name. Links to folders are not
/// followed.
template <typename Visit>
void for_each_numbered(const fs::path& folder, const NameTemplate& names, const Visit& visit) {
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    const auto number = number_in(names, entry->path().stem().string());
    if (number) visit(entry->path(), *number);
  }
}

}  // namespace

std::string picture_key(const DrawOptions& task) {
  if (!task.seed) return {};
  const auto& targets = task.swap.targets;
  const bool swaps = task.task == DrawTask::kSwap;
  return joined(command_of(task.task), *task.seed, task.negative_prompt,
                {swaps && !targets.empty() ? targets.front() : task.prompt},
                swaps ? task.swap.source.value_or("") : "");
}

std::optional<FoundNumbers> find_numbers(const fs::path& outdir, const std::string& name_template,
                                         const std::function<bool(int64_t)>& known,
                                         const std::function<std::vector<std::string>()>& keys) {
  const auto names = NameTemplate::parse(name_template);
  std::multimap<std::string, int64_t> pictures;  // numbers by key
  for_each_numbered(outdir / "samples", names, [&](const fs::path& picture, int64_t number) {
    if (known(number)) return;
    if (auto key = key_in(picture); !key.empty()) pictures.emplace(std::move(key), number);
  });
  if (pictures.empty()) return std::nullopt;
  const auto tasks = keys();
  std::vector<std::vector<int64_t>> found(tasks.size());
  std::map<int64_t, std::size_t> votes;  // for the first task's number
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    const auto [begin, end] = pictures.equal_range(tasks[task]);
    for (auto picture = begin; picture != end; ++picture) {
      found[task].push_back(picture->second);
      const auto first = picture->second - static_cast<int64_t>(task);
      if (first >= 0) ++votes[first];
    }
  }
  if (votes.empty()) return std::nullopt;
  FoundNumbers result;
  std::size_t most = 0;
  for (const auto& [first, count] : votes) {
    if (count < most) continue;  // of equals the latest
    most = count;
    result.first = first;
  }
  result.numbers.resize(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const auto usual = result.first + static_cast<int64_t>(i);
    if (std::find(found[i].begin(), found[i].end(), usual) != found[i].end()) {
      result.numbers[i] = usual;
    } else if (!found[i].empty()) {
      result.numbers[i] = *std::max_element(found[i].begin(), found[i].end());
    }
    if (result.numbers[i]) ++result.tasks;
  }
  for (const auto& [key, number] : pictures) result.others.insert(number);
  for (const auto& number : result.numbers)
    if (number) result.others.erase(*number);
  return result;
}

int64_t next_whole_number(const fs::path& outdir, const std::string& name_template) {
  int64_t next = 0;
  const auto names = NameTemplate::parse(name_template);
  for_each_numbered(outdir / "samples", names, [&](const fs::path& picture, int64_t number) {
    if (number >= next && !may_be_cut(picture)) next = number + 1;
  });
  return next;
}

}  // namespace sd::cli
