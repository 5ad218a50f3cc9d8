#!/usr/bin/env bash
# Sets up, builds everything and runs every test through CTest.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=lib/fuzz.sh
source "$sd_root/scripts/lib/fuzz.sh"
# shellcheck source=lib/oldest_torch.sh
source "$sd_root/scripts/lib/oldest_torch.sh"

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--werror] [--asan | --asan-readers | --fuzz [SECONDS] | --oldest-torch]
                       [--kernels avx2|avx512] [CTEST ARGUMENT…]
  --werror        warnings are errors
  --asan          with AddressSanitizer and UBSan, without the tests that run a full model
  --asan-readers  the same for what reads files and text only: no LibTorch, a quarter of the time
  --fuzz SECONDS  run each fuzz target that long (default 60), with clang
  --oldest-torch  against the oldest LibTorch that is supported (scripts/gpu/versions.txt), in build-oldest
  --kernels SET   with the kernels of another CPU: AVX2 alone, or AVX-512 without BF16 and AMX
Other arguments go to CTest: scripts/test.sh -R Ddim
TEXT
}

# use_kernels SET: what our kernels, oneDNN, LibTorch and MKL may use of this CPU.
use_kernels() {
  case "$1" in
    avx2) export ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 SD_CPU_KERNELS=avx2 ;;
    avx512) export ONEDNN_MAX_CPU_ISA=AVX512_CORE ATEN_CPU_CAPABILITY=avx512 MKL_ENABLE_INSTRUCTIONS=AVX512 SD_CPU_KERNELS=avx512 ;;
    *) die "--kernels: '$1' is neither avx2 nor avx512" ;;
  esac
}

preset=release
seconds=60
configure=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --werror) configure+=(-DSD_WERROR=ON) ;;
    --asan) preset=asan-ubsan ;;
    --asan-readers) preset=asan-readers ;;
    --fuzz)
      preset=fuzz
      if [[ ${2:-} =~ ^[0-9]+$ ]]; then
        seconds="$2"
        shift
      fi
      ;;
    --oldest-torch) preset=oldest ;;
    --kernels)
      use_kernels "${2:-}"
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) break ;;
  esac
  shift
done

if [[ $preset == fuzz ]]; then
  "$sd_root/scripts/setup.sh" --fuzz
  configure_and_build fuzz "${configure[@]}"
  mapfile -t targets < <(fuzz_targets)
  [[ ${#targets[@]} -gt 0 ]] || die "no fuzz target was built"
  export -f run_fuzzer fuzz_runs say die
  export sd_root sd_me seconds
  printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'run_fuzzer {} "$seconds"'
  say "${#targets[@]} fuzz targets, $seconds s each, no finding"
  exit 0
fi

if [[ $preset == oldest ]]; then
  use_oldest_torch
  configure+=(-DTorch_ROOT="$Torch_ROOT")
fi
"$sd_root/scripts/setup.sh"
configure_and_build "$preset" "${configure[@]}"
cd "$sd_root"
if [[ $preset == release ]]; then
  # 77: a tool or the library is not there, which it has named.
  scripts/gpu/kernels.py build/libsd_cuda.so >&2 || [[ $? -eq 77 ]] || die "a kernel for GPUs spills, or an architecture is missing"
fi
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
ctest --preset "$preset" --no-tests=error --parallel "$(nproc)" "$@"
