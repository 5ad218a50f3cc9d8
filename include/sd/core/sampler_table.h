#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

enum class SamplerKind {
  kDdim,
  kPlms,
  kEuler,
  kEulerAncestral,
  kHeun,
  kDpm2,
  kDpm2Ancestral,
  kLms,
  kDpmpp2sAncestral,
  kDpmpp2m,
  kDpmppSde,
  kDpmpp2mSde,
  kDpmpp3mSde,
  kUniPc,
  kLcm,
  kTcd,
};

/// How the noise levels of a run are spaced. kUniform is DDIM's and PLMS' own, kLcm that of latent
/// consistency models; neither is a choice of the user's.
enum class SchedulerKind {
  kDiscrete,
  kKarras,
  kExponential,
  kSgmUniform,
  kSimple,
  kBeta,
  kUniform,
  kLcm,
};

/// What a sampler draws in its steps: nothing, fresh noise, or increments of a Brownian path.
enum class StepNoiseKind { kNone, kFresh, kBrownian };

/// What is known about a sampler without running it. Torch-free.
struct SamplerInfo {
  SamplerKind kind = SamplerKind::kDdim;
  std::string_view name = {};   // as --sampler takes it
  std::string_view label = {};  // as AUTOMATIC1111's web UI writes it into pictures
  SchedulerKind scheduler = SchedulerKind::kDiscrete;  // where none is asked for, as the web UI
  int order = 1;                                       // of convergence, its random part aside
  int calls = 1;                                       // of the UNet a step
  StepNoiseKind noise = StepNoiseKind::kNone;
  bool drops_penultimate = false;  // leaves out the lowest noise level but 0, as the web UI does
  std::string_view paper = {};
};

std::span<const SamplerInfo> all_samplers();
const SamplerInfo& info_of(SamplerKind kind);
std::string_view name_of(SchedulerKind kind);   // as --scheduler takes it
std::string_view label_of(SchedulerKind kind);  // as the web UI writes it
std::vector<std::string> sampler_names();
std::vector<std::string> scheduler_names();

/// A sampler as people name it, and the scheduler where the name holds one.
struct NamedSampler {
  SamplerKind kind;
  std::optional<SchedulerKind> scheduler;
};

/// "dpm++_2m", "DPM++ 2M Karras", "k_euler_a", "dpmpp_2m_sde": case, blanks, dashes and the
/// prefixes and suffixes of other programs aside. Nothing for what is none.
std::optional<NamedSampler> find_sampler(std::string_view text);
std::optional<SchedulerKind> find_scheduler(std::string_view text);

}  // namespace sd
