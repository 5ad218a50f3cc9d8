#!/usr/bin/env bash
# Part of a picture is drawn anew. The mask comes from attention: where the picture listened to a word.
#   scripts/examples/edit.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/edit}"

start="$(build/sd txt2img --prompt "a cat on a blue background" --n_samples 1 --n_iter 1 --ddim_steps 25 --scale 5 \
  --seed 4 --skip_grid --outdir "$out/start" --attn "$out/attention" --words cat | grep '/samples/')"
mask="$(find "$out/attention" -path '*masks*' -name '*cat.png' | sort | tail -n 1)"

# White is drawn anew, the rest keeps its pixels to the byte; the mask is widened so that the robot is not bound to the
# cat's outline.
build/sd img2img --init-img "$start" --init-mask "$mask" --mask-grow 12 --mask-blur 2 \
  --prompt "a robot on a blue background" \
  --strength 0.9 --ddim_steps 25 --n_samples 2 --seed 4 --outdir "$out"

# Only where the two words are looked at; pixels that are further than 16 from there are the source's to the byte.
build/sd swap --sprompt "a cat on a blue background" --prompt "a robot on a blue background" --mode p2p \
  --local-blend cat --local-blend robot --blend-margin 16 --ddim_steps 25 --scale 5 --n_samples 2 --seed 4 --outdir "$out"
