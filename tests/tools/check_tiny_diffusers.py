#!/usr/bin/env python3
r"""Draws with diffusers from the folder that convert_fixture.py made, and compares with the original
code's values.

Shows that the folder holds the same model as the checkpoint it was made of: text encoder, UNet,
schedule and decoder. Prints the largest difference of each, relative to the largest reference
value; exits with 1 if one is above --eps.

    python tests/tools/check_tiny_diffusers.py build/tests/data/tiny-v1-diffusers \
        --goldens build/tests/data/goldens/txt2img.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

PROMPTS = ["a red circle above a blue square", "a photo of a house on a snowy mountain"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="diffusers folder of tiny-v1")
    parser.add_argument(
        "--goldens", type=Path, required=True, metavar="FILE", help="txt2img.safetensors"
    )
    parser.add_argument(
        "--eps", type=float, default=1e-4, help="largest relative difference (default: 1e-4)"
    )
    args = parser.parse_args()

    goldens = load_file(args.goldens)
    peer = Peer(args.folder, tokenizer=clip_tokenizer_folder())
    found = {"context": peer.encode(PROMPTS), "uncond": peer.encode([""] * 2)}
    for sampler in ("ddim", "plms"):
        latents = peer.draw(
            PROMPTS, goldens["x_T"], steps=10, scale=7.5, plms=sampler == "plms"
        ).latents
        found[f"{sampler}_latents"] = latents
        with torch.inference_mode():
            found[f"{sampler}_image"] = peer.vae.decode(
                latents / peer.vae.config.scaling_factor
            ).sample
    worst = 0.0
    for name, values in found.items():
        expected = goldens[name][-1] if name.endswith("_latents") else goldens[name]
        difference = (values - expected).abs().max().item()
        relative = difference / expected.abs().max().item()
        worst = max(worst, relative)
        print(f"{name:13} max difference {difference:.2e}, relative {relative:.2e}")
    return int(not worst <= args.eps)  # a NaN fails too


if __name__ == "__main__":
    sys.exit(main())
