#!/usr/bin/env bash
# Proves the program right on this machine's GPU and measures it there: unpacks what scripts/gpu/pack.sh made and runs
# scripts/gpu/check.py with the LibTorch of this machine's Python. Needs neither a network nor a compiler.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

usage() {
  cat <<'TEXT'
usage: scripts/gpu/check.sh [--device cuda|cpu] [--out DIR] [--pack FILE] [--minutes N] [--only NAME[,NAME…]]
  --device NAME  what is checked (default: cuda; cpu tries the script itself)
  --out DIR      where report.json, report.txt and logs go (default: gpu-report)
  --pack FILE    (default: build-gpu/pack.tar.xz)
  --minutes N    for everything (default: 9)
  --only NAMES   some of the checks: scripts/gpu/check.py --list names them
Exits with 1 if a check failed; all the others have run then.
TEXT
}

pack="$root/build-gpu/pack.tar.xz"
out=gpu-report
rest=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --pack) pack="${2:?}"; shift ;;
    --out) out="${2:?}"; shift ;;
    --device | --minutes | --only) rest+=("$1" "${2:?}"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

[[ -r $pack ]] || { echo "check: $pack is not there: make it with scripts/gpu/pack.sh" >&2; exit 2; }
python="${PYTHON:-python3}"
if [[ -z ${Torch_ROOT:-} ]]; then
  Torch_ROOT="$("$python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')" ||
    { echo "check: $python has no torch: set PYTHON or Torch_ROOT" >&2; exit 2; }
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xJf "$pack"
# Tests look for our kernels where the program does: beside themselves.
[[ ! -e $work/sd/build/libsd_cuda.so ]] || ln -s ../build/libsd_cuda.so "$work/sd/tests/libsd_cuda.so"
# LibTorch's own folder comes before the libraries that were brought along.
export Torch_ROOT LD_LIBRARY_PATH="$Torch_ROOT/lib:$work/sd/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
"$work/sd/tests/make_test_data" "$root/tests/data" "$work/sd/data"
mkdir -p "$out"
"$python" "$root/scripts/gpu/check.py" --root "$root" --sd "$work/sd" --out "$out" "${rest[@]}"
