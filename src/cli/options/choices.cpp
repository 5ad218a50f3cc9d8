#include "cli/options/choices.h"

namespace sd::cli {
namespace {

template <typename Value>
std::string word_of(const Choices<Value>& choices, Value wanted) {
  for (const auto& [word, value] : choices) {
    if (value == wanted) return word;
  }
  return {};
}

}  // namespace

const Choices<DTypeChoice>& dtype_choices() {
  static const Choices<DTypeChoice> choices = {{"auto", DTypeChoice::kAuto},
                                               {"f32", DTypeChoice::kF32},
                                               {"bf16", DTypeChoice::kBF16},
                                               {"f16", DTypeChoice::kF16}};
  return choices;
}

const Choices<RngChoice>& rng_choices() {
  static const Choices<RngChoice> choices = {
      {"device", RngChoice::kDevice}, {"cpu", RngChoice::kCpu}, {"cuda", RngChoice::kCuda}};
  return choices;
}

const Choices<AttnNorm>& attn_norm_choices() {
  // The first word of a value is its name; "absolute" is what "shared" was called.
  static const Choices<AttnNorm> choices = {{"shared", AttnNorm::kAbsolute},
                                            {"minmax", AttnNorm::kMinMax},
                                            {"fork", AttnNorm::kFork},
                                            {"token", AttnNorm::kToken},
                                            {"absolute", AttnNorm::kAbsolute}};
  return choices;
}

const Choices<AttnKind>& attn_kind_choices() {
  static const Choices<AttnKind> choices = {
      {"own", AttnKind::kOwn}, {"applied", AttnKind::kApplied}, {"source", AttnKind::kSource}};
  return choices;
}

const Choices<Colormap>& colormap_choices() {
  static const Choices<Colormap> choices = {
      {"turbo", Colormap::kTurbo}, {"jet", Colormap::kJet}, {"grey", Colormap::kGrey}};
  return choices;
}

std::string name_of(AttnNorm norm) { return word_of(attn_norm_choices(), norm); }
std::string name_of(AttnKind kind) { return word_of(attn_kind_choices(), kind); }
std::string name_of(Colormap colormap) { return word_of(colormap_choices(), colormap); }
std::string name_of(RngChoice rng) { return word_of(rng_choices(), rng); }

}  // namespace sd::cli
