#!/usr/bin/env bash
# Sets up, builds everything and runs every test through CTest.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--werror] [--asan | --asan-readers | --fuzz [SECONDS]] [--kernels avx2|avx512]
                       [CTEST ARGUMENT…]
  --werror        warnings are errors
  --asan          with AddressSanitizer and UBSan, without the tests that run a full model
  --asan-readers  the same for what reads files and text only: no LibTorch, a quarter of the time
  --fuzz SECONDS  run each fuzz target that long (default 60), with clang
  --kernels SET   with the kernels of another CPU: AVX2 alone, or AVX-512 without BF16 and AMX
Other arguments go to CTest: scripts/test.sh -R Ddim
TEXT
}

# use_kernels SET: what oneDNN, LibTorch and MKL may use of this CPU.
use_kernels() {
  case "$1" in
    avx2) export ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ;;
    avx512) export ONEDNN_MAX_CPU_ISA=AVX512_CORE ATEN_CPU_CAPABILITY=avx512 MKL_ENABLE_INSTRUCTIONS=AVX512 ;;
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
    --kernels)
      use_kernels "${2:-}"
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) break ;;
  esac
  shift
done

# run_fuzzer TARGET: a run that finds something leaves the input beside the corpus and fails.
run_fuzzer() {
  local name corpus seeds=()
  name="$(basename "$1")"
  corpus="$sd_root/build-fuzz/corpus/$name"
  [[ ! -d $sd_root/tests/fuzz/corpus/$name ]] || seeds=("$sd_root/tests/fuzz/corpus/$name")
  mkdir -p "$corpus"
  if ! "$1" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$corpus-finding-" "$corpus" "${seeds[@]}" >"$corpus.log" 2>&1; then
    tail -n 60 "$corpus.log" >&2
    die "$name found something" "The input: $(find "$(dirname "$corpus")" -name "$name-finding-*" | sort | tail -n 1)"
  fi
  say "$name: $(awk '/number_of_executed_units/ {print $2}' "$corpus.log") runs, no finding"
}

if [[ $preset == fuzz ]]; then
  "$sd_root/scripts/setup.sh" --fuzz
  configure_and_build fuzz "${configure[@]}"
  mapfile -t targets < <(find "$sd_root/build-fuzz" -type f -name 'fuzz_*' -perm -u+x | sort)
  [[ ${#targets[@]} -gt 0 ]] || die "no fuzz target was built"
  export -f run_fuzzer say die
  export sd_root sd_me seconds
  printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'run_fuzzer {}'
  say "${#targets[@]} fuzz targets, $seconds s each, no finding"
  exit 0
fi

"$sd_root/scripts/setup.sh"
configure_and_build "$preset" "${configure[@]}"
cd "$sd_root"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
ctest --preset "$preset" --no-tests=error --parallel "$(nproc)" "$@"
