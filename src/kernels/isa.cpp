#include "kernels/isa.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "sd/core/error.h"

namespace sd::kernels {
namespace {

/// Linux gives a process AMX's 8 KB of state only on request (arch_prctl(2), since 5.16).
bool may_use_amx() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// CPUID leaf 7, EDX bits 22 and 24 (Intel's manual, volume 2A): amx-bf16 and amx-tile, which g++
/// 12 knows no names for.
bool has_amx_bf16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kWanted = (1U << 22U) | (1U << 24U);
  return (edx & kWanted) == kWanted;
}

bool has(Isa isa) {
  __builtin_cpu_init();
  switch (isa) {
    case Isa::kPlain:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    case Isa::kAvx512:
      return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
             __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
             __builtin_cpu_supports("fma") != 0;
    case Isa::kAvx512Bf16:
      return has(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16") != 0;
    case Isa::kAmxBf16:
      return has(Isa::kAvx512Bf16) && has_amx_bf16() && may_use_amx();
  }
  return false;
}

Isa chosen_isa() {
  const auto& isas = compiled_isas();
  const auto best = *std::find_if(isas.rbegin(), isas.rend(), runs_here);
  const char* wanted = std::getenv("SD_CPU_KERNELS");
  if (wanted == nullptr || *wanted == '\0') return best;
  std::vector<std::string_view> names;
  for (const auto isa : isas) {
    if (name_of(isa) == wanted && isa <= best) return isa;
    if (isa <= best) names.push_back(name_of(isa));
  }
  throw UsageError(
      fmt::format("SD_CPU_KERNELS is '{}'; this CPU has {}", wanted, fmt::join(names, ", ")));
}

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::kPlain:
      return "plain";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512-bf16";
    case Isa::kAmxBf16:
      return "amx-bf16";
  }
  return "";
}

const std::vector<Isa>& compiled_isas() {
#if defined(__x86_64__)
  static const std::vector<Isa> isas = {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16,
                                        Isa::kAmxBf16};
#else
  static const std::vector<Isa> isas = {Isa::kPlain};
#endif
  return isas;
}

bool runs_here(Isa isa) {
  static const auto runs = [] {
    std::vector<bool> answers;
    for (const auto each : compiled_isas()) answers.push_back(has(each));
    return answers;
  }();
  const auto at = static_cast<std::size_t>(isa);
  return at < runs.size() && runs[at];
}

Isa best_isa() {
  static const Isa isa = chosen_isa();
  return isa;
}

}  // namespace sd::kernels
