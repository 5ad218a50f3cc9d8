#!/usr/bin/env python3
"""Writes tests/data/families/diffedit.safetensors: DiffEdit whole (Couairon et al., arXiv:2210.11427, section 3.2) on the tiny model v1-deep
of family_weights.py, 64x64 pixels, five DDIM steps of which the last four are taken. diffusers has the modules and the noise levels; the
method is written down here from the paper:

1. The mask M: where predictions for the reference text and for the query differ, in the mean over ten noises at half the noise.
2. The picture is encoded by DDIM up to the ratio r with the empty prompt, which keeps a latent of each level.
3. Decoding with the query and guidance; after each step what is outside of the mask is the encoded latent of that level.

    python tests/tools/make_diffedit_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from make_inversion_values import SOURCE, TARGET, Model, ddim, guided, inverted

THRESHOLD = 0.75  # of the tiny model's differences, so that some pixels are kept
KEPT = 4  # of the steps: an encoding ratio of 0.8


def mask_of(model: Model) -> torch.Tensor:
    times = model.scheduler.timesteps
    model.scheduler.set_timesteps(50)
    t = model.scheduler.timesteps[25]
    model.scheduler.set_timesteps(len(times))
    generator = torch.manual_seed(8)
    noise = torch.cat([torch.randn(model.clean.shape, generator=generator) for _ in range(10)])
    x = model.scheduler.add_noise(model.clean.repeat(10, 1, 1, 1), noise, t.view(1))
    reference, query = (model.eps(x, t, model.context(text).repeat(10, 1, 1)) for text in (SOURCE, TARGET))
    difference = (query - reference).abs().mean((0, 1), keepdim=True)
    clamped = difference.clamp(0, 3 * difference.mean())
    shares = clamped / clamped.max()
    print(f"nearest to the threshold: {(shares - THRESHOLD).abs().min():.1e}")
    return (shares > THRESHOLD).float()


@torch.inference_mode()
def main() -> None:
    model = Model()
    mask, empty = mask_of(model), model.context("")
    times, alphas = (list(values)[-count:] for values, count in zip(model.levels(), (KEPT, KEPT + 1)))
    model.source = empty
    path = inverted(model, times, alphas)
    x = path[:1]
    for i, t in enumerate(times):
        x = ddim(x, guided(model, x, t, model.target, model.negative), alphas[i], alphas[i + 1])
        x = mask * x + (1 - mask) * path[i + 1]
    values = {"mask": mask, "edited": x}
    target = Path(sys.argv[1]) / "diffedit.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in values.items()}, target)
    target.chmod(0o644)
    print(f"mask: {mask.mean():.3f} white; edited: largest {x.abs().max():.3f}")


if __name__ == "__main__":
    main()
