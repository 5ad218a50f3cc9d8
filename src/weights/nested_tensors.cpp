#include "weights/nested_tensors.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "weights/wrapped_names.h"

namespace sd {
namespace {

using pickle::Dict;
using pickle::Document;
using pickle::Id;

constexpr int kMaxNesting = 5;
constexpr std::size_t kMaxPath = 100;  // of keys; each tensor's name may begin with them

/// A dictionary below the top one.
struct Found {
  std::string path;  // its keys, each with a dot behind it
  const Dict* dict = nullptr;
  bool is_whole = false;  // it has the names of a whole model
};

/// What the known keys lead to.
const Dict* by_known_keys(const Document& document, const Dict& top) {
  constexpr std::array<std::string_view, 4> kKeys = {"state_dict", "model", "module",
                                                     "model_state_dict"};
  const auto* dict = &top;
  for (int level = 0; level < kMaxNesting; ++level) {
    const Dict* inner = nullptr;
    for (const auto key : kKeys) {
      const auto* value = child(document, *dict, key);
      if ((inner = value ? std::get_if<Dict>(value) : nullptr)) break;
    }
    if (!inner) break;
    dict = inner;
  }
  return dict;
}

bool has_tensors(const Document& document, const Dict& dict) {
  return std::ranges::any_of(dict.items, [&](const auto& item) {
    return document.get_if<pickle::Tensor>(item.second) != nullptr;
  });
}

/// Whether the names of its tensors are those of a model or a part of one.
NamedAs names_of(const Document& document, const Dict& dict) {
  auto best = NamedAs::kNothing;
  for (const auto& [key, value] : dict.items) {
    const auto* name = document.get_if<pickle::Text>(key);
    if (!name || !document.get_if<pickle::Tensor>(value)) continue;
    best = std::max(best, named_as(name->utf8));
    if (best == NamedAs::kWholeModel) break;
  }
  return best;
}

/// All dictionaries with a model's names, level by level. Each is looked at once, however often the
/// pickle refers to it.
std::vector<Found> search(const Document& document, const Dict& top) {
  std::vector<Found> found;
  std::vector<std::pair<std::string, const Dict*>> level = {{"", &top}};
  std::unordered_set<const Dict*> seen = {&top};
  for (int depth = 0; depth < kMaxNesting && !level.empty(); ++depth) {
    std::vector<std::pair<std::string, const Dict*>> next;
    for (const auto& [path, dict] : level) {
      const auto kind = names_of(document, *dict);
      if (kind != NamedAs::kNothing) found.push_back({path, dict, kind == NamedAs::kWholeModel});
      for (const auto& [key, value] : dict->items) {
        const auto* name = document.get_if<pickle::Text>(key);
        const auto* inner = document.get_if<Dict>(value);
        if (!name || !inner || path.size() + name->utf8.size() >= kMaxPath) continue;
        if (!seen.insert(inner).second) continue;
        next.emplace_back(path + std::string(name->utf8) + ".", inner);
      }
    }
    level = std::move(next);
  }
  return found;
}

}  // namespace

const pickle::Value* child(const Document& document, const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict.items) {
    const auto* text = document.get_if<pickle::Text>(name);
    if (text && text->utf8 == key) return &document.values[value];
  }
  return nullptr;
}

std::vector<NestedTensors> find_tensors(const Document& document, const Dict& top) {
  const auto* known = by_known_keys(document, top);
  const auto kind = names_of(document, *known);
  if (kind == NamedAs::kWholeModel) return {{"", known}};
  auto found = search(document, top);
  // Averaged weights behind the others, all else in the file's order.
  std::stable_partition(found.begin(), found.end(),
                        [](const Found& each) { return !is_averaged(each.path); });
  const auto whole = std::ranges::find(found, true, &Found::is_whole);
  if (whole != found.end()) return {{"", whole->dict}};
  if (kind != NamedAs::kNothing && has_tensors(document, *known)) {
    const bool alone = std::ranges::all_of(
        found, [&](const Found& each) { return each.dict == known || is_averaged(each.path); });
    if (alone) return {{"", known}};
  }
  if (found.empty()) return {{"", known}};
  if (found.size() == 1) return {{"", found.front().dict}};
  // Parts in dictionaries of their own.
  std::vector<NestedTensors> parts;
  for (auto& each : found) parts.push_back({std::move(each.path), each.dict});
  return parts;
}

}  // namespace sd
