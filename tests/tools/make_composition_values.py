#!/usr/bin/env python3
"""Writes what composable diffusion (arXiv:2206.01714, eq. 11) makes of tiny-v1 in diffusers: each
part's noise is predicted by a call of its own, and eps_uncond + scale * sum of w_i (eps_i - eps_uncond)
goes to DDIM and PLMS.

    python tests/tools/make_composition_values.py tests/data/goldens/composition.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

NEGATIVE = "blurry"
STEPS = 4
RUNS = {
    "two": (7.5, [("a red circle", 1.0), ("a blue square", 0.6)]),
    "three": (5.0, [("a cat", 0.8), ("a dog on a sofa", 0.5), ("a green car", -0.4)]),
    "scale_one": (1.0, [("a red circle", 1.0), ("a blue square", 0.6)]),
}


@torch.inference_mode()
def draw(peer: Peer, noise: torch.Tensor, name: str, plms: bool) -> torch.Tensor:
    """Final latents [1,4,h,w]."""
    scale, parts = RUNS[name]
    scheduler = peer.scheduler(plms)
    scheduler.set_timesteps(STEPS)
    latents = noise
    for timestep in scheduler.timesteps:

        def eps(prompt: str) -> torch.Tensor:
            return peer.unet(latents, timestep, encoder_hidden_states=peer.encode([prompt])).sample

        unconditional = eps(NEGATIVE)
        push = sum(weight * (eps(prompt) - unconditional) for prompt, weight in parts)
        latents = scheduler.step(unconditional + scale * push, timestep, latents).prev_sample
    return latents


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    peer = Peer(
        ROOT / "build" / "tests" / "data" / "tiny-v1-diffusers", tokenizer=clip_tokenizer_folder()
    )
    values = {"noise": peer.start_noise(1, 128, 128, seed=11)}
    for name in RUNS:
        for sampler in ("ddim", "plms"):
            drawn = draw(peer, values["noise"], name, plms=sampler == "plms")
            values[f"{name}_{sampler}"] = drawn.contiguous()
    save_file(values, args.out)


if __name__ == "__main__":
    main()
