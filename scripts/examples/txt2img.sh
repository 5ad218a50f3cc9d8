#!/usr/bin/env bash
# Words become pictures: four of one prompt, then one of each line of a list.
#   scripts/examples/txt2img.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/txt2img}"

# Without --ckpt the demo model draws; with one, the same command draws with Stable Diffusion.
build/sd txt2img --prompt "a blue cat on a yellow background" --n_samples 4 --n_iter 1 --ddim_steps 25 --scale 5 \
  --seed 7 --outdir "$out"

# A prompt a line, the model loaded once; results as JSON lines for a script to read.
printf '%s\n' "a red car on a white background" "a penguin on a blue background" |
  build/sd txt2img --from-file - --plms --ddim_steps 20 --scale 5 --n_samples 2 --n_iter 1 --json --outdir "$out"
