#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sd {

/// How the timesteps of a run lie among those of training, as diffusers' `timestep_spacing` names
/// it.
enum class TimestepSpacing { kLeading, kTrailing, kLinspace };

inline constexpr std::array<std::string_view, 3> kTimestepSpacings = {"leading", "trailing",
                                                                      "linspace"};

inline std::string_view name_of(TimestepSpacing spacing) {
  return kTimestepSpacings[static_cast<std::size_t>(spacing)];
}

/// What models that draw in a few steps ask for.
struct FewStepSettings {
  /// Absent: the sampler's or the scheduler's own; with zero terminal SNR trailing.
  std::optional<TimestepSpacing> timesteps;
  /// Rescale the noise schedule so that it ends in pure noise (arXiv:2305.08891, algorithm 1), also
  /// where the model does not say that it was trained so.
  bool zero_terminal_snr = false;
  /// Of TCD (arXiv:2402.19159, where it is called γ): 0 draws no noise, 1 all of it anew.
  double tcd_gamma = 0.3;
};

}  // namespace sd
