#!/usr/bin/env python3
"""Writes tests/data/families/inverted-edit.safetensors: five DDIM steps along a picture's path, on the tiny model v1-deep of
family_weights.py, 128x64 pixels. The source's row goes back to the path after each step (direct inversion, arXiv:2310.01506).

- "appearance_masks": cross-image attention as published (Alaluf et al., arXiv:2311.03335, section 3): structure and appearance are pictures,
  both inverted, and the output starts as the structure does. Its conditional row looks at the appearance's keys and values, in every
  fifth of the first 0.4 of the steps at the structure's; its latents take on the statistics of the appearance's:
  of the object of each picture, by the object alone (AdaIN with masks, as in the authors' code).
- "appearance_alone": without classifier-free guidance and without masks.
- "graded": differential diffusion (Levin and Fried, arXiv:2306.00950, algorithm 1) along the path: a pixel of strength m takes part in
  the last m of the steps, before them it is the path's.

    python tests/tools/make_inverted_edit_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from make_sharing_values import HEIGHT, SCALE, SOURCE, STEPS, TARGET, WIDTH, Method, Model, picture
from sd_layout import VAE

APPEARANCE = "a photo of a house"
CONTRAST, PUSH = 1.67, 3.5


def levels(model: Model) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(STEPS)
    times = list(scheduler.timesteps)
    return times, [scheduler.alphas_cumprod[t] for t in times] + [scheduler.final_alpha_cumprod]


def step_towards(x: torch.Tensor, eps: torch.Tensor, alpha: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    return to.sqrt() * (x - (1 - alpha).sqrt() * eps) / alpha.sqrt() + (1 - to).sqrt() * eps


def inverted(model: Model, pixels: torch.Tensor, prompt: str) -> torch.Tensor:
    """DDIM's steps backwards (arXiv:2010.02502), noisiest first."""
    model.method = Method()
    vae = model.parts[VAE]
    times, alphas = levels(model)
    path = [vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor]
    context = model.context([prompt])
    for i in reversed(range(STEPS)):
        eps = model.unet(path[0], times[i], encoder_hidden_states=context).sample
        path.insert(0, step_towards(path[0], eps, alphas[i + 1], alphas[i]))
    return torch.cat(path)


class FromPicture(Method):
    """`row` is the output's conditional row, `structure` that of the structure."""

    def __init__(self, row: int, structure: int) -> None:
        super().__init__()
        self.row, self.structure, self.bank, self.noting, self.swaps = row, structure, {}, False, True

    def acts(self, site) -> bool:
        last = {1: int(0.9 * STEPS), 2: int(0.7 * STEPS)}.get(site.downsampling, 0)
        return self.swaps and site.fine_decoder and int(0.1 * STEPS) <= self.step < last

    def mixed(self, site, q, k, v, context):
        place = (site.part, site.downsampling, site.layer)
        if self.noting:
            self.bank[place] = (k, v)
        if self.noting or not self.acts(site):
            return super().mixed(site, q, k, v, context)
        k, v = k.clone(), v.clone()
        if self.step % 5 == 0 and self.step < int(0.4 * STEPS):
            k[self.row], v[self.row] = k[self.structure], v[self.structure]
        else:
            k[self.row], v[self.row] = (kept[0] for kept in self.bank[place])
        probs = self.probabilities(q, k)
        mean = probs[self.row].mean(-1, keepdim=True)
        probs[self.row] = ((probs[self.row] - mean) * CONTRAST + mean).clamp(0, 1)
        return probs @ v


def statistics(x: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of [C,h,w] over the pixels of a mask [h,w], or all."""
    values = x.flatten(1) if mask is None else x[:, mask]
    return values.mean(1).view(-1, 1, 1), (values.var(1) + 1e-5).sqrt().view(-1, 1, 1)


def drawn(model: Model, paths: list[torch.Tensor], masks=(None, None), guided: bool = True) -> torch.Tensor:
    structure, appearance = paths
    onto, of = masks
    context, blind, looks = model.context([TARGET, SOURCE]), model.negative.repeat(2, 1, 1), model.context([APPEARANCE])
    method = FromPicture(2, 3) if guided else FromPicture(0, 1)
    model.method = method
    times, alphas = levels(model)
    x = structure[:1].repeat(2, 1, 1, 1)
    for i, t in enumerate(times):
        method.begin(i)
        method.noting = True
        model.unet(appearance[i : i + 1], t, encoder_hidden_states=looks)
        method.noting = False
        if guided:
            empty, told = model.unet(torch.cat([x, x]), t, encoder_hidden_states=torch.cat([blind, context])).sample.chunk(2)
            eps = empty + SCALE * (told - empty)
        else:
            eps = model.unet(x, t, encoder_hidden_states=context).sample
            if int(0.1 * STEPS) <= i < int(0.9 * STEPS):
                method.swaps = False
                alone = model.unet(x, t, encoder_hidden_states=context).sample
                method.swaps = True
                eps = alone + torch.linspace(PUSH, 1, STEPS)[i] * (eps - alone)
        x = step_towards(x, eps, alphas[i], alphas[i + 1])
        if i >= int(0.2 * STEPS):
            mean, deviation = statistics(x[0], onto)
            other_mean, other = statistics(appearance[i + 1], of)
            changed = (x[0] - mean) / deviation * other + other_mean
            x[0] = changed if onto is None else torch.where(onto, changed, x[0])
        x[1] = structure[i + 1]
    return x


def graded(model: Model, path: torch.Tensor) -> torch.Tensor:
    model.method = Method()
    mask = (torch.arange(WIDTH // 8) / (WIDTH // 8 - 1)).expand(HEIGHT // 8, -1)
    context, negative = model.context([TARGET]), model.negative
    times, alphas = levels(model)
    x = path[:1]
    for i, t in enumerate(times):
        empty, told = model.unet(torch.cat([x, x]), t, encoder_hidden_states=torch.cat([negative, context])).sample.chunk(2)
        x = step_towards(x, empty + SCALE * (told - empty), alphas[i], alphas[i + 1])
        kept = mask == 0 if i + 1 == STEPS else 1 - mask > (i + 1) / STEPS
        x = torch.where(kept, path[i + 1], x)
    return x


@torch.inference_mode()
def main() -> None:
    model = Model()
    paths = [inverted(model, picture(), SOURCE), inverted(model, -picture().flip(-1), APPEARANCE)]
    onto = torch.zeros(HEIGHT // 8, WIDTH // 8, dtype=torch.bool)
    of = onto.clone()
    onto[:, :9], of[2:7, 4:] = True, True
    values = {
        "appearance_masks": drawn(model, paths, (onto, of)),
        "appearance_alone": drawn(model, paths, guided=False),
        "graded": graded(model, paths[0]),
    }
    target = Path(sys.argv[1]) / "inverted-edit.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in values.items()}, target)
    target.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: largest {tensor.abs().max().item():.3f}")


if __name__ == "__main__":
    main()
