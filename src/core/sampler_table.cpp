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
    SamplerInfo{SamplerKind::kDdim, "ddim", "DDIM", SchedulerKind::kUniform, 1, 1, false, false,
                "Song et al. 2020, arXiv:2010.02502"},
    SamplerInfo{SamplerKind::kPlms, "plms", "PLMS", SchedulerKind::kUniform, 4, 1, false, false,
                "Liu et al. 2022, arXiv:2202.09778"},
    SamplerInfo{SamplerKind::kEuler, "euler", "Euler", SchedulerKind::kDiscrete, 1, 1, false, false,
                kKarrasPaper},
    SamplerInfo{SamplerKind::kEulerAncestral, "euler_a", "Euler a", SchedulerKind::kDiscrete, 1, 1,
                true, false, "Song et al. 2020, arXiv:2011.13456"},
    SamplerInfo{SamplerKind::kHeun, "heun", "Heun", SchedulerKind::kDiscrete, 2, 2, false, false,
                kKarrasPaper},
    SamplerInfo{SamplerKind::kDpm2, "dpm2", "DPM2", SchedulerKind::kKarras, 2, 2, false, true,
                kDpmSolver},
    SamplerInfo{SamplerKind::kDpm2Ancestral, "dpm2_a", "DPM2 a", SchedulerKind::kKarras, 2, 2, true,
                true, kDpmSolver},
    SamplerInfo{SamplerKind::kLms, "lms", "LMS", SchedulerKind::kDiscrete, 4, 1, false, false,
                "Adams-Bashforth in sigma, k-diffusion"},
    SamplerInfo{SamplerKind::kDpmpp2sAncestral, "dpm++_2s_a", "DPM++ 2S a", SchedulerKind::kKarras,
                2, 2, true, false, kDpmSolverPp},
    SamplerInfo{SamplerKind::kDpmpp2m, "dpm++_2m", "DPM++ 2M", SchedulerKind::kKarras, 2, 1, false,
                false, kDpmSolverPp},
    SamplerInfo{SamplerKind::kDpmppSde, "dpm++_sde", "DPM++ SDE", SchedulerKind::kKarras, 2, 2,
                true, false, kDpmSolverPp},
    SamplerInfo{SamplerKind::kDpmpp2mSde, "dpm++_2m_sde", "DPM++ 2M SDE",
                SchedulerKind::kExponential, 2, 1, true, false, kDpmSolverPp},
    // Of order 2, not 3: k-diffusion's form, which pictures depend on, gives the second difference of
    // D half the weight that a third order needs.
    SamplerInfo{SamplerKind::kDpmpp3mSde, "dpm++_3m_sde", "DPM++ 3M SDE",
                SchedulerKind::kExponential, 2, 1, true, true, kDpmSolverPp},
    SamplerInfo{SamplerKind::kUniPc, "unipc", "UniPC", SchedulerKind::kDiscrete, 2, 1, false, false,
                "Zhao et al. 2023, arXiv:2302.04867"},
    SamplerInfo{SamplerKind::kLcm, "lcm", "LCM", SchedulerKind::kLcm, 1, 1, true, false,
                "Luo et al. 2023, arXiv:2310.04378"},
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
constexpr std::array<std::pair<std::string_view, SamplerKind>, 12> kAliases = {{
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
  text.resize(text.size() - suffix.size());
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
  if (const auto kind = find_prefixed(wanted)) return NamedSampler{*kind, std::nullopt};
  for (const std::string_view suffix : {"karras", "exponential", "sgmuniform", "ka", "exp"}) {
    auto shorter = wanted;
    if (!remove_suffix(shorter, suffix)) continue;
    if (const auto kind = find_prefixed(shorter)) return NamedSampler{*kind, find_scheduler(suffix)};
  }
  return std::nullopt;
}

}  // namespace sd
