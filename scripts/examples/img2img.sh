#!/usr/bin/env bash
# A picture and words become another picture: the larger the strength, the less of the first is left.
#   scripts/examples/img2img.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/img2img}"

start="$(build/sd txt2img --prompt "a cat on a white background" --n_samples 1 --n_iter 1 --ddim_steps 25 --scale 5 \
  --seed 3 --skip_grid --outdir "$out/start")"

for strength in 0.3 0.6 0.9; do
  build/sd img2img --init-img "$start" --prompt "a dog on a white background" --strength "$strength" --ddim_steps 25 \
    --n_samples 1 --skip_grid --seed 3 --outdir "$out"
done
