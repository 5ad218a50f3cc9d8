#!/usr/bin/env python3
"""Writes tests/data/families/regions.safetensors: masks and prompts of regions on the tiny model v1-deep of
family_weights.py, 64x64 pixels, five DDIM steps, against diffusers' modules.

- graded: differential diffusion, Levin and Fried, arXiv:2306.00950, algorithm 1: before step i of N the picture, made noisy anew, is put
  back where the map of strengths says 1 - strength > i/N.
- regions: predictions of the prompts weighed at each pixel ("latent couple"), and in every cross-attention layer what each prompt gives
  ("attention couple"), weights divided by their sum.
- mask: DiffEdit's, Couairon et al., arXiv:2210.11427, section 3.2: that of diffusers' generate_mask, whose code this is, without guidance.
- concepts: LEDITS++, Brack et al., arXiv:2311.16711, eq. 8 to 11, as diffusers' pipeline computes them, beside a prompt with guidance
  (SEGA, arXiv:2301.12247). Its attention store and its blur are diffusers' own.

    python tests/tools/make_region_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.pipelines.ledits_pp.pipeline_leditspp_stable_diffusion import LeditsGaussianSmoothing
from safetensors.torch import save_file

from make_family_values import PROMPTS, picture
from make_guidance_values import SCALE, STEPS, Model
from sd_layout import VAE

SECOND = "a green car on a pink background"
CONCEPTS = (("sunglasses", 5.0, 0.9), ("a snowy mountain", -4.0, 0.5))


def strengths() -> torch.Tensor:
    """Of latents: a ramp from 0 to 1, with steps between those of the sampler."""
    return (torch.arange(8) / 7).repeat(8, 1).view(1, 1, 8, 8)


def region() -> torch.Tensor:
    """How much the second prompt counts: the right half, with a soft edge."""
    return torch.tensor([0, 0, 0, 0.25, 0.75, 1, 1, 1]).repeat(8, 1).view(1, 1, 8, 8)


def encoded(model: Model) -> torch.Tensor:
    pixels = torch.tensor(list(picture().convert("RGB").tobytes()), dtype=torch.float32).view(1, 64, 64, 3)
    return model.parts[VAE].encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1).latent_dist.mean * 0.18215


def guided(model: Model, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    blind, prompt = model.both(x, t)
    return blind + SCALE * (prompt - blind)


def graded(model: Model) -> torch.Tensor:
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(STEPS)
    generator = torch.manual_seed(3)
    x0, keep = encoded(model), 1 - strengths()
    noise = torch.randn(x0.shape, generator=generator)
    x = scheduler.add_noise(x0, noise, scheduler.timesteps[:1])
    for i, t in enumerate(scheduler.timesteps):
        if i > 0:
            known = scheduler.add_noise(x0, torch.randn(x0.shape, generator=generator), t.view(1))
            x = torch.where(keep > i / STEPS, known, x)
        x = scheduler.step(guided(model, x, t), t, x).prev_sample
    return torch.where(keep == 1, x0, x)


def latent_couple(model: Model) -> torch.Tensor:
    second, weight = model.context(SECOND), region()
    contexts = torch.cat([model.negative, model.prompt, second])

    def guide(x, t):
        blind, one, other = model.unet(torch.cat([x] * 3), t, encoder_hidden_states=contexts).sample.chunk(3)
        return blind + SCALE * ((1 - weight) * one + weight * other - blind)

    return model.draw(guide)


class Couple:
    """Cross-attention of the second row, weighed between its prompt and another."""

    def __init__(self, other: torch.Tensor, weight: torch.Tensor) -> None:
        self.other, self.weight = other, weight

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        def heads(x):
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        def attend(rows, context):
            q, k, v = heads(attn.to_q(rows)), heads(attn.to_k(context)), heads(attn.to_v(context))
            return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

        mixed = attend(hidden_states, encoder_hidden_states)
        side = int(hidden_states.shape[1] ** 0.5)
        weight = F.adaptive_avg_pool2d(self.weight, side).view(1, -1, 1)
        mixed[1:] = (1 - weight) * mixed[1:] + weight * attend(hidden_states[1:], self.other)
        return attn.to_out[0](mixed)


def attention_couple(model: Model) -> torch.Tensor:
    before = model.unet.attn_processors
    couple = Couple(model.context(SECOND), region())
    model.unet.set_attn_processor({n: couple if "attn2" in n else p for n, p in before.items()})
    drawn = model.draw(lambda x, t: guided(model, x, t))
    model.unet.set_attn_processor(before)
    return drawn


def diffedit_mask(model: Model) -> torch.Tensor:
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(50)
    t = scheduler.timesteps[25]  # strength 0.5
    generator = torch.manual_seed(8)
    x0 = encoded(model)
    noise = torch.cat([torch.randn(x0.shape, generator=generator) for _ in range(10)])
    x = scheduler.add_noise(x0.repeat(10, 1, 1, 1), noise, t.view(1))
    predict = [model.unet(x, t, encoder_hidden_states=c.repeat(10, 1, 1)).sample for c in (model.prompt, model.context(SECOND))]
    difference = (predict[1] - predict[0]).abs().mean((0, 1))
    clamped = difference.clamp(0, 3 * difference.mean())
    return (clamped / clamped.max() > 0.5).float()[None]


class Store:
    """Keeps the probabilities of cross-attention at full size on the way down and up."""

    def __init__(self, rows: slice) -> None:
        self.rows, self.kept = rows, []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        def heads(x):
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        q, k, v = heads(attn.to_q(hidden_states)), heads(attn.to_k(encoder_hidden_states)), heads(attn.to_v(encoder_hidden_states))
        probs = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        if hidden_states.shape[1] == 64:
            self.kept.append(probs[self.rows])
        return attn.to_out[0]((probs @ v).transpose(1, 2).flatten(2))


def concepts(model: Model) -> torch.Tensor:
    count = len(CONCEPTS)
    contexts = torch.cat([*(model.context(text) for text, _, _ in CONCEPTS), model.negative, model.prompt])
    lengths = [len(model.pipeline.tokenizer(text).input_ids) - 2 for text, _, _ in CONCEPTS]
    smoothing = LeditsGaussianSmoothing("cpu")
    before = model.unet.attn_processors

    def guide(x, t):
        store = Store(slice(0, count))
        model.unet.set_attn_processor(
            {n: store if "attn2" in n and not n.startswith("mid") else p for n, p in before.items()})
        *edits, blind, prompt = model.unet(torch.cat([x] * (count + 2)), t, encoder_hidden_states=contexts).sample.chunk(count + 2)
        maps = torch.cat(store.kept, 1).mean(1).unflatten(1, (8, 8))  # [edits,8,8,77]
        eps = blind + SCALE * (prompt - blind)
        for e, (_, scale, threshold) in enumerate(CONCEPTS):
            paid = maps[e, :, :, 1 : 1 + lengths[e]].sum(-1)[None]
            paid = smoothing(F.pad(paid.unsqueeze(1), (1, 1, 1, 1), mode="reflect"))
            mask = (paid >= torch.quantile(paid.flatten(), threshold)).float()
            push = scale * (edits[e] - blind)
            if t <= 800:
                size = push.abs().sum(1, keepdim=True)
                mask = mask * (size >= torch.quantile(size.flatten(), threshold)).float()
            eps = eps + mask * push
        return eps

    drawn = model.draw(guide)
    model.unet.set_attn_processor(before)
    return drawn


@torch.inference_mode()
def main() -> None:
    model = Model()
    values = {
        "graded": graded(model), "latent_couple": latent_couple(model), "attention_couple": attention_couple(model),
        "diffedit_mask": diffedit_mask(model)[None], "concepts": concepts(model),
    }
    path = Path(sys.argv[1]) / "regions.safetensors"
    save_file({name: tensor[0].contiguous() for name, tensor in values.items()}, path)
    path.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: {tuple(tensor.shape)} largest {tensor.abs().max().item():.3f} mean {tensor.mean().item():.4f}")


if __name__ == "__main__":
    main()
