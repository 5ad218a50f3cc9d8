#!/usr/bin/env python3
"""Writes tests/data/goldens/taesd.safetensors: what diffusers' AutoencoderTiny makes of seeded
latents and of a seeded picture.

The 2.4 million weights are not stored: tests/support/taesd_weights.h computes the same from their
names' order and their place, by integers alone.

    python tests/tools/make_taesd_goldens.py tests/data/goldens/taesd.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

GAIN = 1.5  # keeps values near 1 through all layers


def uniform(tensor: int, count: int) -> np.ndarray:
    """`count` numbers in [-1, 1) that depend on their place and the tensor's number."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(tensor * 1_000_003 + 1)
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(2):
        x = (x ^ (x >> np.uint64(16))) * np.uint64(0x45D9F3B) & mask
    x = x ^ (x >> np.uint64(16))
    return x.astype(np.float64) / 2**31 - 1


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter, numbered in the order of the sorted names."""
    result = {}
    state = model.state_dict()
    for number, name in enumerate(sorted(state)):
        shape = state[name].shape
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 100
        values = uniform(number, state[name].numel()) * (GAIN / fan_in**0.5)
        result[name] = torch.from_numpy(values.astype(np.float32)).reshape(shape)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    model = AutoencoderTiny().eval()
    model.load_state_dict(weights(model))
    latents = torch.from_numpy(uniform(500, 4 * 4 * 5).astype(np.float32) * 4).reshape(1, 4, 4, 5)
    picture = torch.from_numpy(uniform(501, 3 * 32 * 40).astype(np.float32)).reshape(1, 3, 32, 40)
    with torch.no_grad():
        decoded = model.decode(latents).sample
        encoded = model.encode(picture).latents
    print("decoded", decoded.std().item(), "encoded", encoded.std().item())
    save_file({"decoded": decoded, "encoded": encoded}, args.out)


if __name__ == "__main__":
    main()
