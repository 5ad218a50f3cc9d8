#!/usr/bin/env bash
# A photograph-like picture that the model never drew is inverted once and edited in four ways.
#   scripts/examples/photo.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/photo}"
photo=assets/examples/photo.png
mkdir -p "$out"

build/sd invert "$photo" --prompt "a cat on a green background" --steps 50 -o "$out/photo.inv.safetensors"
edit() { build/sd swap --inversion "$out/photo.inv.safetensors" --init-img "$photo" --scale 5 --n_samples 1 --skip_grid --outdir "$out" "$@"; }

# Another animal. Pixels that are further than 8 from it stay the photograph's to the byte, grain and light included.
edit --mode p2p --prompt "a panda on a green background" --local-blend cat --local-blend panda --blend-threshold 0.5 --blend-margin 8
# Another colour.
edit --mode p2p --prompt "a blue cat on a green background" --local-blend cat --local-blend "blue cat" --blend-threshold 0.5 --blend-margin 8
# Another background, in the same light: only the first 0.3 of the steps look where the photograph looked.
edit --mode p2p --prompt "a cat on a blue background" --cross-steps 0:0.3
# Another layout: the cat steps aside for an apple, and keeps its look.
edit --masactrl --prompt "a cat to the left of a red apple, on a green background"
