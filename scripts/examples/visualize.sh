#!/usr/bin/env bash
# Which pixel listened to which word.
#   scripts/examples/visualize.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/visualize}"

# A folder a picture: an overlay for every word, a contact sheet, a timeline, the layers, the numbers.
build/sd attn --prompt "a blue cat on a yellow background" --n_samples 1 --n_iter 1 --ddim_steps 25 --scale 5 --seed 7 \
  --outdir "$out"

# The fork's own files, and a drawing from them: layers of level 0 to 2 at 16x16, the token after "a".
build/sd txt2img --prompt "a blue cat on a yellow background" --n_samples 1 --n_iter 1 --ddim_steps 25 --scale 5 --seed 7 \
  --skip_grid --outdir "$out" --is_get_attn --save_attn_dir "$out/maps"
picture="$(find "$out/samples" -name '*.png' | sort | tail -n 1)"
build/sd attn --from "$out/maps" --img "$picture" --slevel 0 --elevel 2 --stime 0 --etime 24 --res 16 --token_idx 2 \
  --outdir "$out"
