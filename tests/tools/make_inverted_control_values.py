#!/usr/bin/env python3
"""Writes tests/data/families/inverted-control.safetensors: a picture inverted and edited under a ControlNet, on the tiny model
v1-deep of family_weights.py, 64x64 pixels. The methods are those of make_inversion_values.py; ε has the net or has it not:

- inverted with it, the net adds to every prediction, of the path, of the source and of the target;
- inverted without it, the net adds to the target's predictions alone, those of the negative prompt too.

The net has the weight and the steps given below, by sd-webui-controlnet's rule: step i of n where begin <= i/n and (i+1)/n <= end.

    python tests/tools/make_inverted_control_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from family_weights import DEEP_FAMILY
from make_control_net_values import control_picture, net_of
from make_inversion_values import SCALE, SKIPPED, SOURCE_SCALE, STEPS, Model, ddim, guided, inverted
from make_family_values import SIDE
from sd_layout import UNET

WEIGHT, BEGIN, END = 0.7, 0.0, 0.8


class ControlledModel(Model):
    """`acts` says whether the next predictions have the net."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net_of(DEEP_FAMILY, "first.")
        self.acts = False

    def eps(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        step = list(self.scheduler.timesteps).index(t)
        if not self.acts or (step + 1) / STEPS > END or step / STEPS < BEGIN:
            return super().eps(x, t, context)
        down, middle = self.net(
            x, t, encoder_hidden_states=context, controlnet_cond=control_picture(), conditioning_scale=WEIGHT, return_dict=False
        )
        return self.parts[UNET](
            x, t, encoder_hidden_states=context, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample


def drawn(model: ControlledModel, start: torch.Tensor, context: torch.Tensor, blind: torch.Tensor) -> torch.Tensor:
    times, alphas = model.levels()
    x = start
    for i, t in enumerate(times):
        x = ddim(x, guided(model, x, t, context, blind), alphas[i], alphas[i + 1])
    return x


def edit_friendly(model: ControlledModel, in_source: bool) -> torch.Tensor:
    """The target along noises of a source with the net or without. All steps of the path stand within the net's."""
    times, alphas = model.levels()
    times, alphas = times[SKIPPED:], alphas[SKIPPED:]
    noise = torch.randn((len(times), 4, SIDE // 8, SIDE // 8), generator=torch.manual_seed(9))
    path = [alpha.sqrt() * model.clean + (1 - alpha).sqrt() * n[None] for alpha, n in zip(alphas, noise)] + [model.clean]

    def mean_and_sigma(i: int, x: torch.Tensor, context: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        sigma = ((1 - alphas[i + 1]) / (1 - alphas[i]) * (1 - alphas[i] / alphas[i + 1])).sqrt()
        return ddim(x, guided(model, x, times[i], context, model.negative, scale), alphas[i], alphas[i + 1], sigma), sigma

    model.acts, zs = in_source, []
    for i in range(len(times)):
        mean, sigma = mean_and_sigma(i, path[i], model.source, SOURCE_SCALE)
        zs.append((path[i + 1] - mean) / sigma)
        path[i + 1] = mean + sigma * zs[-1]
    model.acts, x = True, path[0]
    for i in range(len(times)):
        mean, sigma = mean_and_sigma(i, x, model.target, SCALE)
        x = mean + sigma * zs[i]
    return x


@torch.inference_mode()
def main() -> None:
    model = ControlledModel()
    plain = inverted(model, *model.levels())
    model.acts = True
    path = inverted(model, *model.levels())
    values = {
        "path": path,
        "ddim": drawn(model, path[:1], model.target, model.negative),
        "ddim_source": drawn(model, path[:1], model.source, model.negative),
        "npi": drawn(model, path[:1], model.target, model.source),
        "plain_ddim": drawn(model, plain[:1], model.target, model.negative),
        "plain_npi": drawn(model, plain[:1], model.target, model.source),
    }
    global BEGIN, END
    BEGIN, END = 0.0, 1.0  # its steps count those that are drawn, not those of the schedule
    values |= {
        "edit_friendly": edit_friendly(model, True),
        "plain_edit_friendly": edit_friendly(model, False),
    }
    target = Path(sys.argv[1]) / "inverted-control.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in values.items()}, target)
    target.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: largest {tensor.abs().max().item():.3f}")


if __name__ == "__main__":
    main()
