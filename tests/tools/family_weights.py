"""The tiny models of the families: weights that are a pure function of their names, so that no
checkpoint has to be stored. tests/pipeline/family_model.cpp draws the same numbers.

Each weight is drawn by its checkpoint's name and index: uniform in [-1, 1) from splitmix64 seeded
with the name's FNV-1a hash, scaled by kind, rounded to half precision.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from sd_layout import TEXT, Row, Sizes, all_rows

MASK_CHANNELS, PICTURE_CHANNELS = 5, 4  # behind the latents: inpainting, InstructPix2Pix


@dataclasses.dataclass(frozen=True)
class Family:
    """One tiny model. `v_bias` enlarges the bias by which v-prediction of SD 2 is told."""

    name: str
    sizes: Sizes
    openclip: bool = False
    prediction: str = "epsilon"
    v_bias: bool = False


V1 = Sizes(
    unet_channels=32,
    unet_mult=(1, 2),
    unet_blocks=1,
    attention_resolutions=(2, 1),
    context=48,
    vae_channels=32,
    vae_mult=(1, 1, 1, 1),
    vae_blocks=1,
    text_width=48,
    text_layers=2,
)
V2 = dataclasses.replace(
    V1,
    unet_channels=64,
    linear_projections=True,
    context=128,
    text_width=128,
    text_heads=16,
)
FAMILIES = [
    Family("v1-velocity", V1, prediction="v_prediction"),
    Family("v1-inpainting", dataclasses.replace(V1, picture_channels=MASK_CHANNELS)),
    Family("pix2pix", dataclasses.replace(V1, picture_channels=PICTURE_CHANNELS)),
    Family("v2", V2, openclip=True),
    Family("v2-inpainting", dataclasses.replace(V2, picture_channels=MASK_CHANNELS), openclip=True),
    Family("v2-velocity", V2, openclip=True, prediction="v_prediction", v_bias=True),
]

# Three levels, so that FreeU finds both of its widths.
DEEP = dataclasses.replace(V1, unet_mult=(1, 2, 4), attention_resolutions=(4, 2, 1))
# What make_few_step_values.py and make_guidance_values.py draw from.
DEEP_FAMILY = Family("v1-deep", DEEP)
CUT_FAMILY = Family("v1-cut", dataclasses.replace(DEEP, middle=False))
CONDITIONED_FAMILY = Family("v1-conditioned", dataclasses.replace(V1, time_condition=16))

V_BIAS = "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.norm1.bias"


def _splitmix64(seed: int, count: int) -> np.ndarray:
    """Output number 0, 1, ... of the generator that starts at `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _fnv1a(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor of that name in a checkpoint, float32 with half precision's values."""
    uniform = (_splitmix64(_fnv1a(name), math.prod(shape)) >> np.uint64(40)) / 2.0**23 - 1.0
    if len(shape) < 2:
        values = 0.1 * uniform if name.endswith("bias") else 1.0 + 0.2 * uniform
    elif "embedding" in name:
        values = 0.5 * uniform
    else:
        values = math.sqrt(3.0 / math.prod(shape[1:])) * uniform
    return torch.from_numpy(values).reshape(shape).half().float()


def openclip_name(name: str) -> tuple[str, int]:
    """A CLIPTextModel's name in OpenCLIP's naming, and which third of that tensor it is (-1:
    all)."""
    name = name.removeprefix("text_model.")
    for old, new in (
        ("embeddings.token_embedding.weight", "token_embedding.weight"),
        ("embeddings.position_embedding.weight", "positional_embedding"),
        ("final_layer_norm.", "ln_final."),
        ("encoder.layers.", "transformer.resblocks."),
        (".layer_norm1.", ".ln_1."),
        (".layer_norm2.", ".ln_2."),
        (".mlp.fc1.", ".mlp.c_fc."),
        (".mlp.fc2.", ".mlp.c_proj."),
        (".self_attn.out_proj.", ".attn.out_proj."),
    ):
        name = name.replace(old, new)
    for third, letter in enumerate("qkv"):
        name, found = name.replace(f".self_attn.{letter}_proj.", ".attn.in_proj_"), name
        if name != found:
            return name, third
    return name, -1


def _of_row(family: Family, row: Row) -> torch.Tensor:
    if row.part == TEXT and family.openclip:
        name, third = openclip_name(row.name)
        name = f"cond_stage_model.model.{name}"
        if third < 0:
            return weight(name, row.shape)
        return weight(name, (3 * row.shape[0], *row.shape[1:])).chunk(3)[third]
    values = weight(row.compvis_name, row.shape)
    if family.v_bias and row.compvis_name == V_BIAS:
        values = (3.0 * values).half().float()
    return values


def state_dicts(family: Family) -> dict[str, dict[str, torch.Tensor]]:
    """The weights by part, under the names that diffusers and transformers have."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for row in all_rows(family.sizes):
        values = _of_row(family, row).reshape(row.diffusers_shape)
        parts.setdefault(row.part, {})[row.diffusers_name] = values
    return parts
