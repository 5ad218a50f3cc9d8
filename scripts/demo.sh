#!/usr/bin/env bash
# From a bare machine to a picture: sets up, builds, draws.
#   scripts/demo.sh                     a picture of the demo model
#   scripts/demo.sh --prompt "…" …      arguments of `sd txt2img`
#   scripts/demo.sh SUBCOMMAND …        any other command of sd
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

"$sd_root/scripts/setup.sh"
(configure_and_build release -- --target sd sd_engine)

sd="$sd_root/build/sd"
if [[ $# -eq 0 ]]; then
  outdir="$sd_root/outputs/demo"
  say "drawing four pictures with the demo model"
  "$sd" txt2img --prompt "a blue cat on a yellow background" --ddim_steps 25 --scale 5 --n_samples 4 --n_iter 1 \
    --outdir "$outdir"
  say "done. The pictures are in $outdir/samples, all four in one in the newest $outdir/grid-*.png"
  say "now your own: scripts/demo.sh --prompt \"a red car and a green tree\""
elif [[ $1 == -* ]]; then
  exec "$sd" txt2img "$@"
else
  exec "$sd" "$@"
fi
