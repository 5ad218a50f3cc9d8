#!/usr/bin/env python3
"""Writes tests/data/families/few-steps.safetensors: where diffusers' pipeline ends with its schedulers for few steps, other
timestep spacings and zero terminal SNR, on tiny models of family_weights.py, for one prompt and 64x64 pixels.

    python tests/tools/make_few_step_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file

from family_weights import CONDITIONED_FAMILY, CUT_FAMILY, DEEP_FAMILY, FAMILIES, Family
from make_family_values import NEGATIVE, PROMPTS, SIDE, build, pipeline_of

VELOCITY = FAMILIES[0]
DDIM, PLMS = diffusers.DDIMScheduler, diffusers.PNDMScheduler
EULER, EULER_A = diffusers.EulerDiscreteScheduler, diffusers.EulerAncestralDiscreteScheduler
DPMPP_2M, UNIPC = diffusers.DPMSolverMultistepScheduler, diffusers.UniPCMultistepScheduler
LCM, TCD = diffusers.LCMScheduler, diffusers.TCDScheduler
ZERO = {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}


class Drawn:
    """A family's pipeline, drawn from with one scheduler after another."""

    def __init__(self, family: Family) -> None:
        self.pipeline = pipeline_of(family, build(family))

    @torch.inference_mode()
    def with_scheduler(
        self, kind: type, steps: int, scale: float = 7.5, rescale: float = 0.0, eta: float = 0.0, **config: Any
    ) -> torch.Tensor:
        self.pipeline.scheduler = kind.from_config(
            self.pipeline.scheduler.config, **{"rescale_betas_zero_snr": False} | config
        )
        noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.manual_seed(6))
        return self.pipeline(
            prompt=PROMPTS[:1],
            negative_prompt=[NEGATIVE],
            num_inference_steps=steps,
            guidance_scale=scale,
            guidance_rescale=rescale,
            latents=noise,
            generator=torch.Generator().manual_seed(7),
            eta=eta,
            output_type="latent",
            height=SIDE,
            width=SIDE,
        ).images


def main() -> None:
    values: dict[str, torch.Tensor] = {}
    deep, velocity = Drawn(DEEP_FAMILY), Drawn(VELOCITY)
    values["tcd"] = deep.with_scheduler(TCD, 4, 2.0, eta=0.3)
    values["tcd_all_noise"] = deep.with_scheduler(TCD, 7, 2.0, eta=1.0)
    values["tcd_no_noise"] = deep.with_scheduler(TCD, 3, 1.0, eta=0.0)
    values["lcm"] = deep.with_scheduler(LCM, 7, 1.0)
    values["turbo"] = deep.with_scheduler(EULER_A, 4, 1.0, timestep_spacing="trailing")
    values["turbo_one_step"] = deep.with_scheduler(EULER_A, 1, 1.0, timestep_spacing="trailing")
    values["hyper"] = deep.with_scheduler(DDIM, 8, 1.0, timestep_spacing="trailing")
    for spacing in ("trailing", "leading", "linspace"):
        for name, kind in (("ddim", DDIM), ("euler", EULER), ("dpm++_2m", DPMPP_2M), ("unipc", UNIPC)):
            values[f"{name}_{spacing}"] = deep.with_scheduler(kind, 6, timestep_spacing=spacing)
    for spacing in ("trailing", "leading"):  # of steps that divide 1000
        values[f"plms_{spacing}"] = deep.with_scheduler(PLMS, 5, timestep_spacing=spacing, skip_prk_steps=True)
    for name, kind in (("ddim", DDIM), ("euler", EULER), ("dpm++_2m", DPMPP_2M)):
        values[f"zero_{name}"] = velocity.with_scheduler(kind, 5, **ZERO)
        values[f"zero_rescaled_{name}"] = velocity.with_scheduler(kind, 5, rescale=0.7, **ZERO)
    values["cut"] = Drawn(CUT_FAMILY).with_scheduler(DDIM, 5)
    conditioned = Drawn(CONDITIONED_FAMILY)
    values["conditioned"] = conditioned.with_scheduler(LCM, 4, 8.5)
    values["conditioned_less"] = conditioned.with_scheduler(LCM, 4, 2.5)
    path = Path(sys.argv[1]) / "few-steps.safetensors"
    save_file({name: tensor[0].contiguous() for name, tensor in values.items()}, path)
    path.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: largest {tensor.abs().max().item():.3f}")


if __name__ == "__main__":
    main()
