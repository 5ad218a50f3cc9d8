#!/usr/bin/env bash
# One word is turned down and up: the attention paid to it is multiplied, the values stand under the pictures.
#   scripts/examples/reweight.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/reweight}"

# One start for all samples, so that the weight alone differs.
build/sd swap --prompt "a red car on a white background" --reweight "red=-2,0,1,3" --fixed_code --n_samples 4 \
  --ddim_steps 25 --scale 5 --seed 1 --outdir "$out"
