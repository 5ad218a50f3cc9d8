#!/usr/bin/env bash
# Says which lines of the readers the fuzz corpora reach. Builds the fuzz targets with clang's coverage (build-coverage/), runs
# each over its corpus once, and counts lines, folder by folder and file by file.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() {
  cat <<'TEXT'
usage: scripts/fuzz_report.sh [--grown] [--aim PERCENT] [--missed FILE] [--html DIR] [--jobs N]
  --grown         also run what longer runs have found (build-fuzz/corpus), not the repository's corpora alone
  --aim PERCENT   exit 1 if fewer lines of src/weights, src/image or src/text are reached
  --missed FILE   print the lines of this source file that no input reaches
  --html DIR      write the sources with the count of each line
  --jobs N        compile and run that many at once
Files that need LibTorch are not built and do not count.
TEXT
}

grown=no aim=0 missed='' html='' jobs="$(nproc)"
while [[ $# -gt 0 ]]; do
  case "$1" in
    --grown) grown=yes ;;
    --aim) aim="${2:-}"; shift ;;
    --missed) missed="$(realpath "${2:?--missed needs a FILE}")"; shift ;;
    --html) html="${2:?--html needs a DIR}"; shift ;;
    --jobs) jobs="${2:-}"; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ $aim =~ ^[0-9]+$ && $jobs =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }

llvm() { clang++ -print-prog-name="llvm-$1"; }
for tool in cov profdata; do
  command -v "$(llvm $tool)" >/dev/null || die "llvm-$tool is missing" "Install Debian's clang and llvm."
done

build="$sd_root/build-coverage"
# Address and undefined sanitizers would only slow it down here. -rdynamic: libsd_sentencepiece.so takes from the program what
# libFuzzer's instrumentation needs.
cd "$sd_root"
log="$(mktemp)"
cmake --preset fuzz -B "$build" -DSD_SANITIZE=fuzzer-no-link \
  "-DCMAKE_CXX_FLAGS=-fprofile-instr-generate -fcoverage-mapping -O1" -DCMAKE_EXE_LINKER_FLAGS=-rdynamic >"$log" 2>&1 ||
  { cat "$log" >&2; rm -f "$log"; die "configuring $build failed"; }
rm -f "$log"
cmake --build "$build" --target fuzz_readers -j "$jobs" >&2

profiles="$build/profiles"
rm -rf "$profiles"
mkdir -p "$profiles"

# run_target NAME: the profile of its corpus. Inputs are run, not changed.
run_target() {
  local name="$1" places=()
  [[ ! -d $sd_root/tests/fuzz/corpus/$name ]] || places+=("$sd_root/tests/fuzz/corpus/$name")
  [[ $grown == no || ! -d $sd_root/build-fuzz/corpus/$name ]] || places+=("$sd_root/build-fuzz/corpus/$name")
  [[ ${#places[@]} -gt 0 ]] || die "$name has no corpus in tests/fuzz/corpus"
  if ! LLVM_PROFILE_FILE="$profiles/$name-%p.profraw" "$build/tests/fuzz/$name" -runs=0 -timeout=60 -artifact_prefix="$profiles/" "${places[@]}" \
    >"$profiles/$name.log" 2>&1; then
    tail -n 20 "$profiles/$name.log" >&2
    die "$name failed on its corpus"
  fi
}
export -f run_target say die
export sd_root sd_me grown profiles build
mapfile -t targets < <(find "$build/tests/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x -printf '%f\n' | sort)
[[ ${#targets[@]} -gt 0 ]] || die "no fuzz target was built in $build"
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -euo pipefail -c 'run_target {}'
"$(llvm profdata)" merge -sparse "$profiles"/*.profraw -o "$profiles/all.profdata"

objects=("$build/libsd_sentencepiece.so")
for name in "${targets[@]}"; do objects+=(-object "$build/tests/fuzz/$name"); done
of_corpora=(-instr-profile "$profiles/all.profdata" "${objects[@]}")

if [[ -n $missed ]]; then
  # Of all sources, since the compiler was given names with "..", which llvm-cov does not find again.
  "$(llvm cov)" show "${of_corpora[@]}" | awk -F'|' -v end="${missed#"$sd_root"}:" '
    /^\// { wanted = substr($0, length($0) - length(end) + 1) == end }
    wanted && $2 ~ /^ *0$/'
  exit 0
fi
[[ -z $html ]] || "$(llvm cov)" show "${of_corpora[@]}" -format html -output-dir "$html" "$build/../src" >/dev/null
"$(llvm cov)" export "${of_corpora[@]}" -summary-only >"$profiles/summary.json"
python3 "$sd_root/scripts/lib/fuzz_report.py" "$profiles/summary.json" "$sd_root/src" "$aim"
