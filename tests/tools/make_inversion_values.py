#!/usr/bin/env python3
"""Writes tests/data/families/inversion.safetensors: a picture inverted and edited by each method, on the tiny model v1-deep of
family_weights.py, 64x64 pixels. diffusers has the modules and the noise levels; the methods are written down here from their papers:

- DDIM inversion: Song et al., arXiv:2010.02502, section 4.3; ε is predicted for the timestep that a step leads to.
- Direct inversion: Ju et al., arXiv:2310.01506, algorithm 1: the source's difference to the path is added to the source alone, which
  makes it the path. Along Euler's noise levels too.
- Negative-prompt inversion: Miyake et al., arXiv:2305.16807; proximal guidance: Han et al., arXiv:2306.05414, with the L0
  norm (hard thresholding) and the L1 norm (soft thresholding).
- Null-text inversion: Mokady et al., arXiv:2211.09794: here only what is drawn with given embeddings.
- Edit-friendly inversion: Huberman-Spiegelglas et al., arXiv:2304.06140, algorithm 1.
- Denoising diffusion consistent models: Xu et al. (InfEdit), arXiv:2312.04965, algorithm 2, with LCM's timesteps and boundary condition.

    python tests/tools/make_inversion_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

from family_weights import DEEP_FAMILY
from make_family_values import NEGATIVE, PROMPTS, SIDE, build, picture, pipeline_of
from sd_layout import TEXT, UNET, VAE

STEPS, SCALE = 5, 7.5
SOURCE, TARGET = PROMPTS[0], "a green circle above a blue square"
FACTOR = 0.18215
SOURCE_SCALE, SKIPPED = 3.5, 2  # of edit-friendly inversion
QUANTILE = 0.7


class Model:
    def __init__(self) -> None:
        self.parts = build(DEEP_FAMILY)
        self.pipeline = pipeline_of(DEEP_FAMILY, self.parts)
        self.scheduler = self.pipeline.scheduler
        self.scheduler.set_timesteps(STEPS)
        pixels = torch.from_numpy(np.array(picture())).permute(2, 0, 1)[None] / 127.5 - 1
        self.clean = FACTOR * self.parts[VAE].encode(pixels).latent_dist.mean
        self.source, self.target, self.negative = (self.context(text) for text in (SOURCE, TARGET, NEGATIVE))

    def context(self, text: str) -> torch.Tensor:
        ids = self.pipeline.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return self.parts[TEXT](ids)[0]

    def eps(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.parts[UNET](x, t, encoder_hidden_states=context).sample

    def levels(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Timesteps, falling, and ᾱ where each step begins, with the end of the last behind."""
        times = list(self.scheduler.timesteps)
        table = self.scheduler.alphas_cumprod
        return times, [table[t] for t in times] + [self.scheduler.final_alpha_cumprod]


def ddim(x: torch.Tensor, eps: torch.Tensor, alpha: torch.Tensor, to: torch.Tensor, sigma: torch.Tensor | float = 0.0) -> torch.Tensor:
    clean = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
    return to.sqrt() * clean + (1 - to - sigma**2).sqrt() * eps


def inverted(model: Model, times: list, alphas: list) -> torch.Tensor:
    """The path, noisiest first."""
    path = [model.clean]
    for i in reversed(range(len(times))):
        path.insert(0, ddim(path[0], model.eps(path[0], times[i], model.source), alphas[i + 1], alphas[i]))
    return torch.cat(path)


def guided(model: Model, x, t, context, blind, scale=SCALE, quantile=None, soft=False) -> torch.Tensor:
    empty = model.eps(x, t, blind)
    difference = model.eps(x, t, context) - empty
    if quantile is not None:
        least = difference.abs().flatten().quantile(quantile)
        kept = difference.sign() * (difference.abs() - least) if soft else difference
        difference = torch.where(difference.abs() > least, kept, torch.zeros(()))
    return empty + scale * difference


def drawn(model: Model, start: torch.Tensor, context: torch.Tensor, blind, quantile=None, soft=False) -> torch.Tensor:
    """DDIM from `start`; `blind` is what stands for the empty prompt, or a list with one for each step."""
    times, alphas = model.levels()
    x = start
    for i, t in enumerate(times):
        empty = blind[i] if isinstance(blind, list) else blind
        x = ddim(x, guided(model, x, t, context, empty, quantile=quantile, soft=soft), alphas[i], alphas[i + 1])
    return x


def edit_friendly(model: Model) -> dict[str, torch.Tensor]:
    times, alphas = model.levels()
    times, alphas = times[SKIPPED:], alphas[SKIPPED:]
    noise = torch.randn((len(times), 4, SIDE // 8, SIDE // 8), generator=torch.manual_seed(9))
    path = [alpha.sqrt() * model.clean + (1 - alpha).sqrt() * n[None] for alpha, n in zip(alphas, noise)] + [model.clean]

    def mean_and_sigma(i, x, context, scale):
        sigma = ((1 - alphas[i + 1]) / (1 - alphas[i]) * (1 - alphas[i] / alphas[i + 1])).sqrt()
        return ddim(x, guided(model, x, times[i], context, model.negative, scale), alphas[i], alphas[i + 1], sigma), sigma

    zs = []
    for i in range(len(times)):
        mean, sigma = mean_and_sigma(i, path[i], model.source, SOURCE_SCALE)
        zs.append((path[i + 1] - mean) / sigma)
        path[i + 1] = mean + sigma * zs[-1]
    x = path[0]
    for i in range(len(times)):
        mean, sigma = mean_and_sigma(i, x, model.target, SCALE)
        x = mean + sigma * zs[i]
    return {"edit_friendly_path": torch.cat(path), "edit_friendly_noises": torch.cat(zs), "edit_friendly": x}


def consistent(model: Model) -> torch.Tensor:
    """Four steps of InfEdit's virtual inversion."""
    scheduler = diffusers.LCMScheduler.from_config(model.scheduler.config)
    scheduler.set_timesteps(4)
    times, generator = list(scheduler.timesteps), torch.manual_seed(11)
    alphas = [scheduler.alphas_cumprod[t] for t in times]

    def noise():
        return torch.randn(model.clean.shape, generator=generator)

    first = noise()
    source = target = alphas[0].sqrt() * model.clean + (1 - alphas[0]).sqrt() * first
    for i, (t, alpha) in enumerate(zip(times, alphas)):
        known = (source - alpha.sqrt() * model.clean) / (1 - alpha).sqrt()
        eps = guided(model, target, t, model.target, model.negative) - model.eps(source, t, model.source) + known
        clean = (target - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        skip, out = scheduler.get_scalings_for_boundary_condition_discrete(t)
        clean = out * clean + skip * target
        if i + 1 == len(times):
            return clean
        fresh, to = noise(), alphas[i + 1]
        source, target = (to.sqrt() * x + (1 - to).sqrt() * fresh for x in (model.clean, clean))
    raise AssertionError


def along_euler(model: Model) -> torch.Tensor:
    scheduler = diffusers.EulerDiscreteScheduler.from_config(model.scheduler.config, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    return inverted(model, list(scheduler.timesteps), [1 / (1 + sigma**2) for sigma in scheduler.sigmas])


@torch.inference_mode()
def main() -> None:
    model = Model()
    path = inverted(model, *model.levels())
    generator = torch.manual_seed(10)
    empty = [model.negative + 0.3 * torch.randn(model.negative.shape, generator=generator) for _ in range(STEPS)]
    values = {
        "path": path,
        "euler_path": along_euler(model),
        "ddim_source": drawn(model, path[:1], model.source, model.negative),
        "direct": drawn(model, path[:1], model.target, model.negative),
        "npi": drawn(model, path[:1], model.target, model.source),
        "npi_source": drawn(model, path[:1], model.source, model.source),
        "proximal": drawn(model, path[:1], model.target, model.source, QUANTILE),
        "proximal_l1": drawn(model, path[:1], model.target, model.source, QUANTILE, soft=True),
        "null_text": drawn(model, path[:1], model.target, empty),
        "ddcm": consistent(model),
    } | edit_friendly(model)
    target = Path(sys.argv[1]) / "inversion.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in values.items()}, target)
    target.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: largest {tensor.abs().max().item():.3f}")


if __name__ == "__main__":
    main()
