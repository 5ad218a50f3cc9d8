#!/usr/bin/env bash
# Builds the program and its tests against the oldest supported LibTorch and packs them, with the Debian libraries that
# they need, into one file. It travels with the repository to a machine with a GPU, where scripts/gpu/check.sh runs it.
set -euo pipefail
# shellcheck source=../lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
# shellcheck source=../lib/oldest_torch.sh
source "$sd_root/scripts/lib/oldest_torch.sh"

usage() {
  cat <<'TEXT'
usage: scripts/gpu/pack.sh [--out FILE]
  --out FILE  the pack (default: build-gpu/pack.tar.xz)
The models and test data of the repository are not packed: they travel with it.
LibTorch lands in $SD_DEPS_DIR/oldest (by default below ~/.cache/sd/deps), or is the one that $Torch_ROOT names.
TEXT
}

out="$sd_root/build-gpu/pack.tar.xz"
while [[ $# -gt 0 ]]; do
  case "$1" in
    --out)
      out="${2:?--out needs a file}"
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

tests=(pipeline/test_pipeline pipeline/test_families tools/test_data/make_test_data)

use_oldest_torch
cd "$sd_root"
cmake --preset release -B build-gpu -DTorch_ROOT="$Torch_ROOT" -DSD_WERROR=ON >&2
cmake --build build-gpu --target sd sd_engine "${tests[@]##*/}" >&2

stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/sd/build" "$stage/sd/lib" "$stage/sd/tests"
cp build-gpu/sd build-gpu/lib*.so "$stage/sd/build/"
for test in "${tests[@]}"; do cp "build-gpu/tests/$test" "$stage/sd/tests/"; done

# Every shared library but the C and C++ run time, LibTorch's and CUDA's, which the other machine has.
mapfile -t libraries < <(find "$stage/sd/build" "$stage/sd/tests" -type f -exec ldd {} + 2>/dev/null |
  awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
  grep -vE '/(ld-linux|libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|libgomp|libutil|libtorch|libc10|libcu|libnv|libsd_)[^/]*$')
cp -L "${libraries[@]}" "$stage/sd/lib/"
find "$stage/sd" -type f -exec strip --strip-unneeded {} +
mkdir -p "$(dirname "$out")"
# The binaries hold much of the same code: one window over all of them halves the file.
tar -C "$stage" --sort=name --owner=0 --group=0 --mtime=@0 -cf - sd | xz -9e --lzma2=dict=128MiB -T1 >"$out.part"
mv "$out.part" "$out"

tree="$(git ls-files -z | xargs -0 du -cb 2>/dev/null | awk '$2 == "total" {sum += $1} END {print sum}')"
packed="$(stat -c %s "$out")"
say "$out: $((packed / 1024)) kB; with the repository's files $(((packed + tree) / 1048576)) MiB"
