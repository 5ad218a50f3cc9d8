#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sd/core/error.h"
#include "trainer/edit_run.h"

namespace sd::train {
namespace {

constexpr std::array kEditors = {Editor::kPrompt,   Editor::kSwap,     Editor::kBlend,
                                 Editor::kPaste,    Editor::kMasaCtrl, Editor::kPlugPlay,
                                 Editor::kDiffEdit, Editor::kLedits};

}  // namespace

std::string_view name_of(Editor editor) {
  switch (editor) {
    case Editor::kPrompt:
      return "prompt";
    case Editor::kSwap:
      return "swap";
    case Editor::kBlend:
      return "blend";
    case Editor::kPaste:
      return "paste";
    case Editor::kMasaCtrl:
      return "masactrl";
    case Editor::kPlugPlay:
      return "pnp";
    case Editor::kDiffEdit:
      return "diffedit";
    case Editor::kLedits:
      break;
  }
  return "ledits";
}

std::string EditMethod::name() const {
  const std::string_view start = noised ? "noised" : "from noise";
  return fmt::format("{} + {}", inversion ? sd::name_of(*inversion) : start,
                     train::name_of(editor));
}

std::vector<EditMethod> edit_methods() {
  using enum InversionMethod;
  std::vector<EditMethod> methods;
  for (const auto editor : {Editor::kSwap, Editor::kBlend, Editor::kPaste})
    methods.push_back({{}, editor});
  for (const auto editor : {Editor::kSwap, Editor::kBlend, Editor::kDiffEdit})
    methods.push_back({.inversion = {}, .editor = editor, .noised = true});
  for (const auto inversion : {kDdim, kDirect, kNegativePrompt, kEditFriendly}) {
    for (const auto editor : kEditors) methods.push_back({inversion, editor});
  }
  for (const auto editor : kEditors) methods.push_back({kNullText, editor});
  return methods;
}

std::vector<EditMethod> edit_methods(const std::string& names) {
  const auto all = edit_methods();
  std::vector<EditMethod> chosen;
  for (std::size_t begin = 0; begin < names.size();) {
    const auto end = std::min(names.find(',', begin), names.size());
    auto wanted = names.substr(begin, end - begin);
    const auto found = std::ranges::find_if(all, [&](const EditMethod& method) {
      auto name = method.name();
      std::erase(name, ' ');
      std::string spelled = wanted;
      std::erase(spelled, ' ');
      return name == spelled;
    });
    if (found == all.end()) {
      std::string known;
      for (const auto& method : all) known += (known.empty() ? "" : ", ") + method.name();
      throw UsageError(fmt::format("--methods: there is no '{}'\nThere are: {}", wanted, known));
    }
    chosen.push_back(*found);
    begin = end + 1;
  }
  return chosen;
}

}  // namespace sd::train
