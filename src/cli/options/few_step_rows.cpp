// What models that draw in a few steps ask for.
#include <nlohmann/json.hpp>
#include <string>

#include "cli/options/option_table.h"
#include "sd/core/sampler_table.h"

namespace sd::cli {
namespace {

constexpr Range<double> kGammaRange{0.0, 1.0};

std::string zero_terminal_snr_text(const DrawOptions&) {
  return "Zero Terminal SNR";  // as the web UI writes it
}

bool samples_with_tcd(const DrawOptions& options) {
  return options.chosen_sampler() == SamplerKind::kTcd;
}

}  // namespace

std::vector<OptionRow> few_step_rows() {
  constexpr const char* kGroup = "Few steps";
  const Choices<TimestepSpacing> spacings = {{"trailing", TimestepSpacing::kTrailing},
                                             {"leading", TimestepSpacing::kLeading},
                                             {"linspace", TimestepSpacing::kLinspace}};
  return {
      {.names = "timesteps",
       .synonyms = "timestep_spacing",
       .group = kGroup,
       .help =
           "Space the timesteps as diffusers' schedulers do:\ntrailing for SD-Turbo, Hyper-SD and "
           "zero terminal SNR",
       .value = choice(&DrawOptions::timesteps, spacings),
       .key = {"timesteps", "sampler"},
       .told_if_given = true,
       .infotext = {.key = "Timestep spacing",
                    .after = "Token merging ratio",
                    .read_back = "timesteps"}},
      {.names = "zero-terminal-snr",
       .synonyms = "zsnr,ztsnr,rescale_betas_zero_snr",
       .group = kGroup,
       .help = "Rescale the noise schedule to end in pure noise\n(models that say so have it by "
               "themselves)",
       .value = flag(&DrawOptions::zero_terminal_snr),
       .key = {"zero_terminal_snr", "timesteps"},
       .told_if_given = true,
       .infotext = {.key = "Noise Schedule",
                    .after = "Timestep spacing",
                    .text = zero_terminal_snr_text}},
      {.names = "tcd-gamma",
       .synonyms = "tcd_eta",
       .group = kGroup,
       .help = "How much noise TCD draws anew in its steps, 0 to 1",
       .value = number(&DrawOptions::tcd_gamma, kGammaRange),
       .needs = samples_with_tcd,
       .without = "belongs to --sampler tcd",
       .key = {"tcd_gamma", "zero_terminal_snr"},
       .told_if_given = true,
       .infotext = {.key = "TCD gamma", .after = "Noise Schedule", .read_back = "tcd-gamma"}},
  };
}

}  // namespace sd::cli
