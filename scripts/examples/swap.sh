#!/usr/bin/env bash
# One word is swapped for another while everything else keeps its place: the new picture takes its attention from the
# old one.
#   scripts/examples/swap.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/swap}"
source="a cat on a yellow background"
target="a dog on a yellow background"

# What would happen to each token, without drawing.
build/sd swap --sprompt "$source" --prompt "$target" --dry-run

# As the fork does it: all cross-attention maps of words that stand in the same place.
build/sd swap --sprompt "$source" --prompt "$target" --ddim_steps 25 --scale 5 --n_samples 2 --seed 5 --outdir "$out"

# As Prompt-to-Prompt does it: cross-attention for the first 80 % of the steps, self-attention for the first 40 %.
build/sd swap --sprompt "$source" --prompt "$target" --mode p2p --cross-steps 0:0.8 --self-steps 0:0.4 \
  --ddim_steps 25 --scale 5 --n_samples 2 --seed 5 --outdir "$out"
