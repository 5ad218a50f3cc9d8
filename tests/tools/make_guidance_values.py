#!/usr/bin/env python3
"""Writes tests/data/families/guidance.safetensors: where DDIM ends with what may be added to guidance, on the tiny model
v1-deep of family_weights.py, for one prompt and 64x64 pixels. PAG, SAG, FreeU's first version, APG's and SEG's functions are
diffusers'; the rest is published and written down here:

- FreeU's second version: Si et al., arXiv:2309.11497, section 3 (eq. 4 and 5), by widths as its authors' code has it.
- Smoothed energy guidance: Hong, arXiv:2408.00760, eq. 8: blurred queries. diffusers' blur has its test for an infinite
  deviation the wrong way round, which is turned back here.
- Dynamic thresholding as in sd-dynamic-thresholding (mcmonkey): constant scales, separate channels, mean, absolute values.
- Normalized attention guidance: Chen et al., arXiv:2505.21179, section 3.2.

    python tests/tools/make_guidance_values.py tests/data/families
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.hooks.smoothed_energy_guidance_utils import _gaussian_blur_2d
from diffusers.models.unets import unet_2d_blocks
from diffusers.pipelines.deprecated.stable_diffusion_sag.pipeline_stable_diffusion_sag import StableDiffusionSAGPipeline
from diffusers.utils.torch_utils import fourier_filter
from safetensors.torch import save_file

from family_weights import DEEP_FAMILY
from make_family_values import NEGATIVE, PROMPTS, SIDE, build, pipeline_of
from sd_layout import TEXT, UNET, VAE

STEPS, SCALE = 5, 7.5
Guide = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Model:
    """The tiny model, its prompts, and DDIM."""

    def __init__(self) -> None:
        self.parts = build(DEEP_FAMILY)
        self.pipeline = pipeline_of(DEEP_FAMILY, self.parts)
        self.unet = self.parts[UNET]
        self.noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.manual_seed(6))
        self.prompt, self.negative = self.context(PROMPTS[0]), self.context(NEGATIVE)

    def context(self, text: str) -> torch.Tensor:
        tokenizer = self.pipeline.tokenizer
        ids = tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return self.parts[TEXT](ids)[0]

    def both(self, x: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Without the prompt and with it."""
        context = torch.cat([self.negative, self.prompt])
        return self.unet(torch.cat([x, x]), t, encoder_hidden_states=context).sample.chunk(2)

    def draw(self, guide: Guide) -> torch.Tensor:
        scheduler = self.pipeline.scheduler
        scheduler.set_timesteps(STEPS)
        x = self.noise
        for t in scheduler.timesteps:
            x = scheduler.step(guide(x, t), t, x).prev_sample
        return x

    def arguments(self) -> dict:
        return {
            "prompt": PROMPTS[:1], "negative_prompt": [NEGATIVE], "num_inference_steps": STEPS, "latents": self.noise,
            "output_type": "latent", "height": SIDE, "width": SIDE,
        }

    def with_pipeline(self, kind: type, more: dict, **arguments) -> torch.Tensor:
        pipeline = kind(
            vae=self.parts[VAE], text_encoder=self.parts[TEXT], tokenizer=self.pipeline.tokenizer, unet=self.unet,
            scheduler=self.pipeline.scheduler, safety_checker=None, feature_extractor=None, image_encoder=None,
            requires_safety_checker=False, **more,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline(**self.arguments(), **arguments).images


class Processor:
    """Plain attention, with the queries or the output changed."""

    def __init__(self, queries=None, output=None) -> None:
        self.queries, self.output = queries or (lambda q: q), output

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        def heads(x):
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        def attend(q, context):
            k, v = heads(attn.to_k(context)), heads(attn.to_v(context))
            mixed = torch.nn.functional.scaled_dot_product_attention(heads(q), k, v)
            return mixed.transpose(1, 2).flatten(2)

        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q = self.queries(attn.to_q(hidden_states))
        mixed = attend(q, context)
        if self.output:
            mixed = self.output(mixed, lambda other: attend(q, other))
        return attn.to_out[0](mixed)


def with_processors(model: Model, chosen: Callable[[str], bool], processor: Processor, call):
    before = model.unet.attn_processors
    model.unet.set_attn_processor({n: processor if chosen(n) else p for n, p in before.items()})
    result = call()
    model.unet.set_attn_processor(before)
    return result


def seg(model: Model, sigma: float, layers: tuple[str, ...]) -> torch.Tensor:
    taps = 1 if math.isinf(sigma) else math.ceil(6 * sigma) + 1 - math.ceil(6 * sigma) % 2
    # Below its threshold diffusers takes the mean, above it the blur.
    threshold = math.inf if math.isinf(sigma) else 0.0
    processor = Processor(queries=lambda q: _gaussian_blur_2d(q, taps, sigma, threshold))

    def guide(x, t):
        blind, prompt = model.both(x, t)
        perturbed = with_processors(
            model, lambda n: "attn1" in n and n.startswith(layers), processor,
            lambda: model.unet(x, t, encoder_hidden_states=model.prompt).sample)
        return blind + SCALE * (prompt - blind) + 3.0 * (prompt - perturbed)

    return model.draw(guide)


def nag(model: Model, scale: float, tau: float, alpha: float) -> torch.Tensor:
    def output(positive, attend):
        negative = attend(model.negative)
        beyond = positive * scale - negative * (scale - 1)
        ratio = beyond.norm(p=1, dim=-1, keepdim=True) / positive.norm(p=1, dim=-1, keepdim=True)
        beyond = beyond * torch.minimum(ratio, torch.tensor(tau)) / ratio
        return beyond * alpha + positive * (1 - alpha)

    def guide(x, t):
        return with_processors(model, lambda n: "attn2" in n, Processor(output=output),
                               lambda: model.unet(x, t, encoder_hidden_states=model.prompt).sample)

    return model.draw(guide)


def thresholded(model: Model, mimic: float, percentile: float) -> torch.Tensor:
    def guide(x, t):
        alpha = model.pipeline.scheduler.alphas_cumprod[t]
        blind, prompt = ((x - (1 - alpha).sqrt() * eps) / alpha.sqrt() for eps in model.both(x, t))
        mimic_target = (blind + mimic * (prompt - blind)).flatten(2)
        target = (blind + SCALE * (prompt - blind)).flatten(2)
        mean = target.mean(2, keepdim=True)
        centred = target - mean
        mimic_reach = (mimic_target - mimic_target.mean(2, keepdim=True)).abs().amax(2, keepdim=True)
        reach = torch.maximum(mimic_reach, torch.quantile(centred.abs(), percentile, dim=2, keepdim=True))
        clean = (centred.clamp(-reach, reach) / reach * mimic_reach + mean).view_as(x)
        return (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()

    return model.draw(guide)


def apg(model: Model, eta: float, norm: float, momentum: float | None) -> torch.Tensor:
    buffer = None if momentum is None else MomentumBuffer(momentum)

    def guide(x, t):
        blind, prompt = model.both(x, t)
        return normalized_guidance(prompt, blind, SCALE, buffer, eta, norm)

    return model.draw(guide)


def second_freeu(_resolution: int, hidden, skip, **factors):
    level = {4 * 32: 1, 2 * 32: 2}.get(hidden.shape[1])
    if level is None:
        return hidden, skip
    mean = hidden.mean(1, keepdim=True)
    least, most = mean.amin((1, 2, 3), keepdim=True), mean.amax((1, 2, 3), keepdim=True)
    half = hidden.shape[1] // 2
    hidden = hidden.clone()
    hidden[:, :half] *= (factors[f"b{level}"] - 1) * ((mean - least) / (most - least)) + 1
    return hidden, fourier_filter(skip, threshold=1, scale=factors[f"s{level}"])


def freeu(model: Model, apply) -> torch.Tensor:
    published = unet_2d_blocks.apply_freeu
    unet_2d_blocks.apply_freeu = apply or published
    model.unet.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6)

    def guide(x, t):
        blind, prompt = model.both(x, t)
        return blind + SCALE * (prompt - blind)

    drawn = model.draw(guide)
    model.unet.disable_freeu()
    unet_2d_blocks.apply_freeu = published
    return drawn


@torch.inference_mode()
def main() -> None:
    model = Model()
    pag = diffusers.StableDiffusionPAGPipeline
    middle, more = {"pag_applied_layers": "mid"}, {"pag_applied_layers": ["mid", "down_blocks.1", "up_blocks.0"]}
    values = {
        "sag": model.with_pipeline(StableDiffusionSAGPipeline, {}, guidance_scale=SCALE, sag_scale=0.75),
        "sag_alone": model.with_pipeline(StableDiffusionSAGPipeline, {}, guidance_scale=1.0, sag_scale=0.75),
        "pag": model.with_pipeline(pag, middle, guidance_scale=SCALE, pag_scale=3.0),
        "pag_adaptive": model.with_pipeline(
            pag, more, guidance_scale=SCALE, pag_scale=3.0, pag_adaptive_scale=0.004, guidance_rescale=0.7),
    }
    model.unet.set_default_attn_processor()
    values["pag_alone"] = model.with_pipeline(pag, middle, guidance_scale=0.0, pag_scale=3.0)
    model.unet.set_default_attn_processor()
    values |= {
        "seg": seg(model, math.inf, ("mid_block",)),
        "seg_blurred": seg(model, 0.6, ("mid_block", "down_blocks.0")),
        "freeu_1": freeu(model, None),
        "freeu_2": freeu(model, second_freeu),
        "threshold": thresholded(model, 3.0, 1.0),
        "threshold_cut": thresholded(model, 3.0, 0.9),
        "apg": apg(model, 0.0, 15.0, None),
        "apg_momentum": apg(model, 0.5, 2.5, -0.5),
        "nag": nag(model, 5.0, 2.5, 0.25),
        "nag_limited": nag(model, 9.0, 1.2, 0.75),
    }
    path = Path(sys.argv[1]) / "guidance.safetensors"
    save_file({name: tensor[0].contiguous() for name, tensor in values.items()}, path)
    path.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: largest {tensor.abs().max().item():.3f}")


if __name__ == "__main__":
    main()
