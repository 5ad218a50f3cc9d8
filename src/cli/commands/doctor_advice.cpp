#include <fmt/format.h>

#include <cstdlib>

#include "cli/commands/doctor.h"

namespace sd::cli {
namespace {

constexpr double kDoctorAdviceGiB = 1024.0 * 1024.0 * 1024.0;

void advise_on_gpu(const Machine& machine, std::vector<std::string>& lines) {
  if (machine.may_use_gpu()) return;
  if (machine.gpu_node) {
    lines.emplace_back(
        "drawing: a GPU is here, but LibTorch's CUDA libraries are not; run scripts/setup.sh "
        "--cuda");
    return;
  }
  lines.emplace_back(
      "drawing: no GPU is here and the CPU draws, minutes a picture of 512x512; --sampler dpm++_2m "
      "--steps 20 takes less than half of the usual 50 steps");
}

void advise_on_cpu(const Machine& machine, std::vector<std::string>& lines) {
  if (!machine.has("avx2"))
    lines.emplace_back("all arithmetic: this CPU has no AVX2, which LibTorch's fast kernels need");
  if (machine.bf16) {
    lines.emplace_back("--dtype f32: this CPU multiplies bf16 in hardware, which auto uses");
  } else {
    lines.emplace_back(
        "--dtype bf16: this CPU multiplies no bf16 in hardware; it halves the memory, not the "
        "time");
  }
  if (machine.load > machine.cores) {
    lines.push_back(
        fmt::format("everything, now: {:.1f} other processes want this machine's {} cores",
                    machine.load, machine.cores));
  }
  const char* threads = std::getenv("OMP_NUM_THREADS");
  if (threads != nullptr && std::atoi(threads) > machine.cores) {
    lines.push_back(
        fmt::format("OMP_NUM_THREADS={}: more threads than the {} cores wait for each "
                    "other (sd's own --threads is not bound by it)",
                    threads, machine.cores));
  }
}

void advise_on_memory(const Machine& machine, std::vector<std::string>& lines) {
  if (machine.memory_available == 0) return;
  const auto lacks = [&](int64_t weights) {
    return machine.memory_available < weights + kWorkingMemory;
  };
  if (!lacks(kWeightsF32)) return;
  const char* way_out = lacks(kWeightsBF16) ? "not even bf16 fits: close other programs, or expect "
                                              "the disk to be read in every step"
                                            : "take --dtype bf16";
  lines.push_back(fmt::format(
      "a full-size model in f32: {:.1f} GiB of memory are free and about {:.1f} are needed; {}",
      static_cast<double>(machine.memory_available) / kDoctorAdviceGiB,
      static_cast<double>(kWeightsF32 + kWorkingMemory) / kDoctorAdviceGiB, way_out));
}

}  // namespace

std::vector<std::string> slow_here(const Machine& machine, bool has_engine) {
  std::vector<std::string> lines;
  if (!has_engine)
    lines.emplace_back("drawing: impossible, libsd_engine.so is not beside the binary");
  advise_on_gpu(machine, lines);
  advise_on_cpu(machine, lines);
  advise_on_memory(machine, lines);
  return lines;
}

}  // namespace sd::cli
