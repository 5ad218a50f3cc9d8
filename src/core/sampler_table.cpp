#include "sd/core/sampler_table.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sd {
namespace {

constexpr std::string_view kKarrasPaper = "Karras et al. 2022, arXiv:2206.00364";
constexpr std::string_view kDpmSolver = "Lu et al. 2022, arXiv:2206.00927";
constexpr std::string_view kDpmSolverPp = "Lu et al. 2022, arXiv:2211.01095";

constexpr std::array kSamplers = {
    SamplerInfo{.kind = SamplerKind::kDdim,
                .name = "ddim",
                .label = "DDIM",
                .scheduler = SchedulerKind::kUniform,
                .order = 1,
                .paper = "Song et al. 2020, arXiv:2010.02502"},
    SamplerInfo{.kind = SamplerKind::kPlms,
                .name = "plms",
                .label = "PLMS",
                .scheduler = SchedulerKind::kUniform,
                .order = 4,
                .paper = "Liu et al. 2022, arXiv:2202.09778"},
    SamplerInfo{.kind = SamplerKind::kEuler,
                .name = "euler",
                .label = "Euler",
                .scheduler = SchedulerKind::kDiscrete,
                .order = 1,
                .paper = kKarrasPaper},
    SamplerInfo{.kind = SamplerKind::kEulerAncestral,
                .name = "euler_a",
                .label = "Euler a",
                .scheduler = SchedulerKind::kDiscrete,
                .order = 1,
                .noise = StepNoiseKind::kFresh,
                .paper = kKarrasPaper},
    SamplerInfo{.kind = SamplerKind::kHeun,
                .name = "heun",
                .label = "Heun",
                .scheduler = SchedulerKind::kDiscrete,
                .order = 2,
                .calls = 2,
                .paper = kKarrasPaper},
    SamplerInfo{.kind = SamplerKind::kDpm2,
                .name = "dpm2",
                .label = "DPM2",
                .scheduler = SchedulerKind::kKarras,
                .order = 2,
                .calls = 2,
                .drops_penultimate = true,
                .paper = kDpmSolver},
    SamplerInfo{.kind = SamplerKind::kDpm2Ancestral,
                .name = "dpm2_a",
                .label = "DPM2 a",
                .scheduler = SchedulerKind::kKarras,
                .order = 2,
                .calls = 2,
                .noise = StepNoiseKind::kFresh,
                .drops_penultimate = true,
                .paper = kDpmSolver},
    SamplerInfo{.kind = SamplerKind::kLms,
                .name = "lms",
                .label = "LMS",
                .scheduler = SchedulerKind::kDiscrete,
                .order = 4,
                .paper = "Adams-Bashforth in sigma, k-diffusion"},
    SamplerInfo{.kind = SamplerKind::kDpmpp2sAncestral,
                .name = "dpm++_2s_a",
                .label = "DPM++ 2S a",
                .scheduler = SchedulerKind::kKarras,
                .order = 2,
                .calls = 2,
                .noise = StepNoiseKind::kFresh,
                .paper = kDpmSolverPp},
    SamplerInfo{.kind = SamplerKind::kDpmpp2m,
                .name = "dpm++_2m",
                .label = "DPM++ 2M",
                .scheduler = SchedulerKind::kKarras,
                .order = 2,
                .paper = kDpmSolverPp},
    SamplerInfo{.kind = SamplerKind::kDpmppSde,
                .name = "dpm++_sde",
                .label = "DPM++ SDE",
                .scheduler = SchedulerKind::kKarras,
                .order = 2,
                .calls = 2,
                .noise = StepNoiseKind::kBrownian,
                .paper = kDpmSolverPp},
    SamplerInfo{.kind = SamplerKind::kDpmpp2mSde,
                .name = "dpm++_2m_sde",
                .label = "DPM++ 2M SDE",
                .scheduler = SchedulerKind::kExponential,
                .order = 2,
                .noise = StepNoiseKind::kBrownian,
                .paper = kDpmSolverPp},
    // Of order 2, not 3: k-diffusion's form, which pictures depend on, gives the second difference
    // of D half the weight that a third order needs.
    SamplerInfo{.kind = SamplerKind::kDpmpp3mSde,
                .name = "dpm++_3m_sde",
                .label = "DPM++ 3M SDE",
                .scheduler = SchedulerKind::kExponential,
                .order = 2,
                .noise = StepNoiseKind::kBrownian,
                .drops_penultimate = true,
                .paper = kDpmSolverPp},
    SamplerInfo{.kind = SamplerKind::kUniPc,
                .name = "unipc",
                .label = "UniPC",
                .scheduler = SchedulerKind::kDiscrete,
                .order = 2,
                .paper = "Zhao et al. 2023, arXiv:2302.04867"},
    SamplerInfo{.kind = SamplerKind::kLcm,
                .name = "lcm",
                .label = "LCM",
                .scheduler = SchedulerKind::kLcm,
                .order = 1,
                .noise = StepNoiseKind::kFresh,
                .paper = "Luo et al. 2023, arXiv:2310.04378"},
    SamplerInfo{.kind = SamplerKind::kTcd,
                .name = "tcd",
                .label = "TCD",
                .scheduler = SchedulerKind::kLcm,
                .order = 1,
                .noise = StepNoiseKind::kFresh,
                .paper = "Zheng et al. 2024, arXiv:2402.19159"},
};

struct SchedulerRow {
  SchedulerKind kind;
  std::string_view name;
  std::string_view label;
};

constexpr std::array kSchedulers = {
    SchedulerRow{SchedulerKind::kDiscrete, "discrete", "Uniform"},
    SchedulerRow{SchedulerKind::kKarras, "karras", "Karras"},
    SchedulerRow{SchedulerKind::kExponential, "exponential", "Exponential"},
    SchedulerRow{SchedulerKind::kSgmUniform, "sgm_uniform", "SGM Uniform"},
    SchedulerRow{SchedulerKind::kSimple, "simple", "Simple"},
    SchedulerRow{SchedulerKind::kBeta, "beta", "Beta"},
};

// Other programs' names in the form that `plain` gives them, where it differs from ours.
constexpr std::array<std::pair<std::string_view, SamplerKind>, 17> kAliases = {{
    {"eulerancestral", SamplerKind::kEulerAncestral},
    {"eulera", SamplerKind::kEulerAncestral},
    {"dpm2ancestral", SamplerKind::kDpm2Ancestral},
    {"linearmultistep", SamplerKind::kLms},
    {"dpmpp2sancestral", SamplerKind::kDpmpp2sAncestral},
    {"dpmpp2s", SamplerKind::kDpmpp2sAncestral},
    {"dpmppmultistep", SamplerKind::kDpmpp2m},
    {"dpmsolverpp2m", SamplerKind::kDpmpp2m},
    {"dpmsolverpp", SamplerKind::kDpmpp2m},
    {"unipcbh2", SamplerKind::kUniPc},
    {"unipcmultistep", SamplerKind::kUniPc},
    {"pndm", SamplerKind::kPlms},
    {"dpmsolvermultistep", SamplerKind::kDpmpp2m},  // diffusers
    {"dpmsolversde", SamplerKind::kDpmppSde},
    {"dpm2pp2m", SamplerKind::kDpmpp2m},  // SD.Next
    {"dpm2pp2msde", SamplerKind::kDpmpp2mSde},
    {"dpm2ppsde", SamplerKind::kDpmppSde},
}};

constexpr std::array<std::pair<std::string_view, SchedulerKind>, 4> kSchedulerAliases = {{
    {"uniform", SchedulerKind::kDiscrete},
    {"normal", SchedulerKind::kDiscrete},
    {"ka", SchedulerKind::kKarras},
    {"exp", SchedulerKind::kExponential},
}};

/// Letters and digits alone, lower case, "++" as "pp".
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      result += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      result += c;
    } else if (c == '+') {
      result += 'p';
    } else if (c != ' ' && c != '_' && c != '-') {
      return {};
    }
  }
  return result;
}

bool remove_suffix(std::string& text, std::string_view suffix) {
  if (text.size() <= suffix.size() || !text.ends_with(suffix)) return false;
  text.erase(text.size() - suffix.size());
  return true;
}

std::optional<SamplerKind> find_plain(std::string_view text) {
  for (const auto& sampler : kSamplers) {
    if (plain(sampler.name) == text || plain(sampler.label) == text) return sampler.kind;
  }
  for (const auto& [alias, kind] : kAliases) {
    if (alias == text) return kind;
  }
  return std::nullopt;
}

std::optional<SamplerKind> find_prefixed(const std::string& text) {
  if (const auto kind = find_plain(text)) return kind;
  // "k_euler" (InvokeAI, the web UI), "sample_euler" (k-diffusion).
  for (const std::string_view prefix : {"sample", "k"}) {
    if (!text.starts_with(prefix)) continue;
    if (const auto kind = find_plain(text.substr(prefix.size()))) return kind;
  }
  return std::nullopt;
}

}  // namespace

std::span<const SamplerInfo> all_samplers() { return kSamplers; }

const SamplerInfo& info_of(SamplerKind kind) {
  return *std::find_if(kSamplers.begin(), kSamplers.end(),
                       [&](const SamplerInfo& info) { return info.kind == kind; });
}

std::string_view name_of(SchedulerKind kind) {
  for (const auto& row : kSchedulers) {
    if (row.kind == kind) return row.name;
  }
  return kind == SchedulerKind::kLcm ? "lcm" : "uniform";
}

std::string_view label_of(SchedulerKind kind) {
  for (const auto& row : kSchedulers) {
    if (row.kind == kind) return row.label;
  }
  return "Automatic";  // the sampler's own, which no user chooses
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const auto& sampler : kSamplers) names.emplace_back(sampler.name);
  return names;
}

std::vector<std::string> scheduler_names() {
  std::vector<std::string> names;
  for (const auto& scheduler : kSchedulers) names.emplace_back(scheduler.name);
  return names;
}

std::optional<SchedulerKind> find_scheduler(std::string_view text) {
  const auto wanted = plain(text);
  for (const auto& row : kSchedulers) {
    if (plain(row.name) == wanted || plain(row.label) == wanted) return row.kind;
  }
  for (const auto& [alias, kind] : kSchedulerAliases) {
    if (alias == wanted) return kind;
  }
  return std::nullopt;
}

std::optional<NamedSampler> find_sampler(std::string_view text) {
  auto wanted = plain(text);
  if (wanted.empty()) return std::nullopt;
  // "dpmpp_sde_gpu" (ComfyUI) says where noise is drawn, "EulerDiscreteScheduler" is a class's
  // name.
  for (const std::string_view suffix : {"gpu", "scheduler", "discrete"}) {
    remove_suffix(wanted, suffix);
  }
  if (const auto kind = find_prefixed(wanted)) return NamedSampler{*kind, std::nullopt};
  for (const std::string_view suffix : {"karras", "exponential", "sgmuniform", "ka", "exp"}) {
    auto shorter = wanted;
    if (!remove_suffix(shorter, suffix)) continue;
    if (const auto kind = find_prefixed(shorter))
      return NamedSampler{*kind, find_scheduler(suffix)};
  }
  return std::nullopt;
}

}  // namespace sd
