#!/usr/bin/env bash
# Runs every script of scripts/examples/ on the demo model and looks at what it leaves behind.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}"

expect() {  # EXAMPLE PATTERN…: the files that it must have written, relative to its folder
  local example="$1" pattern
  shift
  "$root/scripts/examples/$example.sh" "$out/$example" >"$out/$example.log" 2>&1 || {
    cat "$out/$example.log"
    echo "scripts/examples/$example.sh failed"
    exit 1
  }
  for pattern in "$@"; do
    compgen -G "$out/$example/$pattern" >/dev/null || {
      cat "$out/$example.log"
      echo "scripts/examples/$example.sh wrote no $pattern"
      exit 1
    }
  done
}

expect txt2img 'samples/00005.png' 'grid-0001.png'
expect img2img 'samples/00002.png'
expect swap 'source/00003.png' '*_tar.png' '*_src.png' 'sheet-0001.png'
expect reweight 'samples/00003.png' 'grid-0000.png'
expect edit 'samples/00003.png' 'attention/*/masks/*cat.png' 'sheet-0000.png'
expect photo 'samples/00003.png' 'photo.inv.safetensors'
expect lora 'samples/00007.png' 'sheet-0000.png'
expect visualize 'attn/00000/contact.png' 'attn/00000/maps.npy' 'maps/crossatt/*.npy' 'bundle_attmap_tokidx:2_res016_lev:0_2_tstep:0_24.png'
for example in "$root"/scripts/examples/*.sh; do
  [[ -d $out/$(basename "$example" .sh) ]] || { echo "$example is not run by this test"; exit 1; }
done
