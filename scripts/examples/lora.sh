#!/usr/bin/env bash
# The demo model's LoRA of neon signs at night, the other way round (-1), not at all, by half, and as it was trained.
#   scripts/examples/lora.sh [OUTPUT FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out="${1:-outputs/examples/lora}"

build/sd txt2img --grid "lora=neon:-1,neon:0,neon:0.5,neon:1;prompt=a robot on a green background,a sailboat on a pink background" \
  --ddim_steps 25 --scale 5 --seed 3 --n_samples 1 --outdir "$out"
