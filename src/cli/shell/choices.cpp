#include "cli/shell/choices.h"

namespace sd::cli {

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

std::string name_of(RngChoice rng) {
  for (const auto& [name, value] : rng_choices()) {
    if (value == rng) return name;
  }
  return {};
}

}  // namespace sd::cli
