#!/usr/bin/env bash
# Trains the demo model from nothing, on scenes that sd-train composes from Noto Color Emoji. Two cores take about
# 12 hours; stopped at any moment, the same command goes on where it was.
#   scripts/train_demo.sh [FOLDER]      states, log and sample sheets go to FOLDER (training/)
#   scripts/train_demo.sh FOLDER --init models/demo/model.safetensors    goes on from a finished model
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

"$sd_root/scripts/setup.sh"
(configure_and_build release -- --target sd sd-train)

folder="${1:-$sd_root/training}"
shift $(($# > 0 ? 1 : 0))
"$sd_root/build/sd-train" all --recipe "$sd_root/configs/demo/recipe.yaml" --out "$folder" "$@"
say "done: $folder/model/model.safetensors. Measure it with scripts/eval_demo --model $folder/model"
