#pragma once

#include <string_view>
#include <vector>

namespace sd::kernels {

/// Instruction sets that the kernels are written for, from the plainest to the fastest.
enum class Isa { kPlain, kAvx2, kAvx512, kAvx512Bf16, kAmxBf16 };

/// "plain", "avx2", "avx512", "avx512-bf16", "amx-bf16".
std::string_view name_of(Isa isa);

/// All that were compiled in, from the plainest to the fastest.
const std::vector<Isa>& compiled_isas();

/// Whether this CPU and its operating system run `isa`.
bool runs_here(Isa isa);

/// The fastest that runs here, or what the variable SD_CPU_KERNELS names, which only lowers it.
/// Read once.
Isa best_isa();

}  // namespace sd::kernels
