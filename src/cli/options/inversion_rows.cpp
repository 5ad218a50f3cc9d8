// A picture of the user's as a swap's source.
#include <nlohmann/json.hpp>
#include <string>

#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

template <typename Field>
auto inversion(Field InversionOptions::*field) {
  return in(&DrawOptions::inversion, field);
}

bool inverts(const DrawOptions& options) { return options.inversion.any(); }
bool has_file(const DrawOptions& options) { return options.inversion.file.has_value(); }
bool is_negative_prompt(const DrawOptions& options) {
  return options.inversion.method == InversionMethod::kNegativePrompt;
}

OptionValue method() {
  Choices<InversionMethod> choices;
  for (const auto known : kInversionMethods) choices.emplace_back(name_of(known), known);
  return choice(inversion(&InversionOptions::method), std::move(choices));
}

OptionValue norm() {
  return choice(inversion(&InversionOptions::proximal_norm),
                Choices<ProximalNorm>{{"l0", ProximalNorm::kL0}, {"l1", ProximalNorm::kL1}});
}

}  // namespace

std::vector<OptionRow> inversion_rows() {
  constexpr const char* kGroup = "Picture";
  return {
      {.names = "inversion",
       .group = kGroup,
       .help = "Edit the picture that 'sd invert' wrote this file of;\nit is the source, with the "
               "prompt that it was inverted with",
       .value = path(inversion(&InversionOptions::file), "FILE"),
       .commands = kSwapCommand,
       .role = Role::kInputFile,
       .key = {"inversion.file", "variation"},
       .told_where = has_file},
      {.names = "invert",
       .group = kGroup,
       .help = "Edit --init-img by inverting it (p2p: direct, where\nno --strength is given), or "
               "--inversion by this method",
       .value = method(),
       .commands = kSwapCommand,
       .key = {"inversion.method", "inversion.file"},
       .told_where = inverts},
      {.names = "proximal",
       .group = kGroup,
       .help =
           "Of --invert npi: drop this quantile of the differences\nthat a target's prompt makes "
           "(0.7; 0: none)",
       .value = number(inversion(&InversionOptions::proximal), kThresholdRange),
       .commands = kSwapCommand,
       .key = {"inversion.proximal", "inversion.method"},
       .told_where = is_negative_prompt},
      {.names = "proximal-norm",
       .group = kGroup,
       .help = "Of --proximal: leave larger differences as they are (l0)\nor make each smaller by "
               "the quantile (l1)",
       .value = norm(),
       .commands = kSwapCommand,
       .key = {"inversion.proximal_norm", "inversion.proximal"},
       .told_if_given = true},
  };
}

}  // namespace sd::cli
