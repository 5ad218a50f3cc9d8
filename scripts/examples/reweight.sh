#!/usr/bin/env bash
# One word is turned down and up: the attention paid to it is multiplied, the values stand under the pictures.
#   scripts/examples/reweight.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/reweight}"

build/sd txt2img --prompt "a red car on a white background" --reweight "red=-2,0,1,3" --fixed_code --n_samples 4 \
  --n_iter 1 --ddim_steps 25 --scale 5 --seed 1 --outdir "$out"
