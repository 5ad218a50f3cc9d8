#!/usr/bin/env bash
# Trains the demo model's LoRA (neon signs at night) and embedding (a teal background) on scenes that sd-train composes
# from Noto Color Emoji, and measures both. Five minutes of one core; stopped at any moment, the same command goes on.
#   scripts/train_lora_demo.sh [FOLDER]      pictures, states and files go to FOLDER (outputs/lora_demo)
# Builds nothing. What it writes is models/demo/loras/neon.safetensors and models/demo/embeddings/teal.safetensors.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

sd_train="$sd_root/build/sd-train"
[[ -x $sd_train ]] || die "$sd_train is missing" "Build it: cmake --preset release && ninja -C build sd-train"
folder="${1:-$sd_root/outputs/lora_demo}"
model="$sd_root/models/demo"
teal=teal=20,150,140
cd "$sd_root"

[[ -f $folder/neon600/metadata.jsonl ]] || "$sd_train" scenes --style neon --n 600 --seed 11 --out "$folder/neon600"
time "$sd_train" lora --model "$model" --data "$folder/neon600" --out "$folder/neon.safetensors" \
  --targets attention --rank 3 --text-encoder --debiased --noise-offset 0.1 \
  --steps 500 --batch 16 --learning-rate 3e-3 --schedule cosine --warmup 20 --threads 1

[[ -f $folder/teal200/metadata.jsonl ]] || "$sd_train" scenes --background "$teal" --n 200 --seed 12 --out "$folder/teal200"
time "$sd_train" embedding --model "$model" --data "$folder/teal200" --out "$folder/teal.safetensors" \
  --word teal --init green --debiased --noise-offset 0.1 \
  --steps 150 --batch 8 --learning-rate 2e-2 --schedule cosine --threads 1

"$sd_train" measure --lora "$folder/neon.safetensors"
"$sd_train" measure --embedding "$folder/teal.safetensors" --background "$teal"
