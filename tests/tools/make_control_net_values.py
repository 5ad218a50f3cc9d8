#!/usr/bin/env python3
"""Writes what diffusers makes of the tiny models of family_weights.py under ControlNets and
T2I-Adapters of random weights: the latents after two and after five DDIM steps with guidance.

    python tests/tools/make_control_net_values.py tests/data/control-nets.safetensors

A net's weights are drawn as those of the models, by NET and the names of cldm's ControlNet or of
T2I-Adapter's Adapter. Weights of guess mode are the original's, 0.825 to the power of the blocks
above the middle one, where diffusers has a row of powers of ten.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

from family_weights import FAMILIES, Family, weight
from make_family_values import NEGATIVE, PROMPTS, SCALE, SIDE, STEPS, build, picture, pipeline_of
from sd_layout import TEXT, UNET, VAE, unet_rows

KEPT = (2, STEPS)  # steps whose latents are written
BY_NAME = {family.name: family for family in FAMILIES}
V1, V2 = BY_NAME["v1-velocity"], BY_NAME["v2"]
TOWER = (16, 32, 96, 256)
SOFTENING = 0.825


def second_picture() -> torch.Tensor:
    """Another picture, [1,3,H,W] in [0,1], with a square of hidden pixels (−1)."""
    values = 1.0 - control_picture().flip(3)
    values[:, :, 8:40, 16:48] = -1.0
    return values


def control_picture() -> torch.Tensor:
    """The ramps of make_family_values.py, [1,3,H,W] in [0,1]."""
    return torch.from_numpy(np.array(picture())).permute(2, 0, 1)[None].float() / 255.0


def net_names(family: Family) -> dict[str, str]:
    """cldm's name of each tensor that diffusers' ControlNetModel shares with a UNet."""
    return {
        row.diffusers_name: row.name
        for row in unet_rows(family.sizes)
        if row.name.startswith(("time_embed.", "input_blocks.", "middle_block."))
    }


def cldm_name(family: Family, name: str) -> str:
    """cldm's name of a tensor of diffusers' ControlNetModel."""
    shared = net_names(family)
    if name in shared:
        return shared[name]
    head, _, rest = name.partition(".")
    if head == "controlnet_down_blocks":
        number, _, leaf = rest.partition(".")
        return f"zero_convs.{number}.0.{leaf}"
    if head == "controlnet_mid_block":
        return f"middle_block_out.0.{rest}"
    place, _, leaf = rest.rpartition(".")
    blocks = 2 * (len(TOWER) - 1)
    layers = {"conv_in": 0, "conv_out": 2 * blocks + 2}
    layers |= {f"blocks.{block}": 2 * block + 2 for block in range(blocks)}
    return f"input_hint_block.{layers[place]}.{leaf}"


def net_of(family: Family, net: str, pools: bool = False) -> diffusers.ControlNetModel:
    """A ControlNet with the weights of that name."""
    sizes = family.sizes
    widths = [sizes.unet_channels * mult for mult in sizes.unet_mult]
    heads: Any = [width // 64 for width in widths] if family.openclip else sizes.heads
    model = diffusers.ControlNetModel(
        in_channels=sizes.latent_channels,
        block_out_channels=widths,
        down_block_types=["CrossAttnDownBlock2D"] * len(widths),
        layers_per_block=sizes.unet_blocks,
        cross_attention_dim=sizes.context,
        attention_head_dim=heads,
        use_linear_projection=sizes.linear_projections,
        norm_num_groups=32,
        conditioning_embedding_out_channels=TOWER,
        global_pool_conditions=pools,
    )
    values = {
        name: weight(net + cldm_name(family, name), tuple(tensor.shape))
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(values)
    return model.eval()


def authors_name(name: str, blocks: int, light: bool) -> str:
    """T2I-Adapter's own name of a tensor of diffusers' adapters."""
    name = name.removeprefix("adapter.")
    parts = name.split(".")
    if parts[0] != "body":
        return name
    level = int(parts[1])
    if light:
        return name.replace(".resnets.", ".body.")
    if parts[2] == "resnets":
        return ".".join(["body", str(level * blocks + int(parts[3])), *parts[4:]])
    return ".".join(["body", str(level * blocks), *parts[2:]])


def adapter_of(family: Family, net: str, kind: str, channels: int) -> diffusers.T2IAdapter:
    """A T2I-Adapter with the weights of that name."""
    widths = [family.sizes.unet_channels * mult for mult in family.sizes.unet_mult]
    blocks = 2
    model = diffusers.T2IAdapter(
        in_channels=channels,
        channels=widths,
        num_res_blocks=blocks,
        downscale_factor=8,
        adapter_type=kind,
    )
    values = {
        name: weight(
            net + authors_name(name, blocks, kind == "light_adapter"), tuple(tensor.shape)
        )
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(values)
    return model.eval()


def latents(pipeline: Any, **arguments: Any) -> torch.Tensor:
    """Those after the steps that are kept, [K,4,h,w]."""
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.manual_seed(6))
    steps = {}

    def keep(*given: Any) -> Any:
        if len(given) == 3:  # the older kind of callback
            step, _, kept = given
            steps[step + 1] = kept.clone()
            return None
        _, step, _, kept = given
        steps[step + 1] = kept["latents"].clone()
        return kept

    old = isinstance(pipeline, diffusers.StableDiffusionAdapterPipeline)
    pipeline(
        prompt=PROMPTS[0],
        negative_prompt=NEGATIVE,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=SIDE,
        width=SIDE,
        latents=noise,
        output_type="latent",
        **{"callback" if old else "callback_on_step_end": keep},
        **arguments,
    )
    return torch.cat([steps[step] for step in KEPT])


def drawn(family: Family, nets: Any, **arguments: Any) -> torch.Tensor:
    """With ControlNets, all of them shown the same picture unless `image` is given."""
    parts = pipeline_of(family, build(family)).components
    pipeline = diffusers.StableDiffusionControlNetPipeline(
        **{name: parts[name] for name in (VAE, TEXT, "tokenizer", UNET, "scheduler")},
        controlnet=nets,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return latents(pipeline, **({"image": control_picture()} | arguments))


def drawn_with_adapter(family: Family, adapter: diffusers.T2IAdapter, scale: float) -> torch.Tensor:
    """With a T2I-Adapter; of one channel it is shown Pillow's grey, not rounded."""
    parts = pipeline_of(family, build(family)).components
    pipeline = diffusers.StableDiffusionAdapterPipeline(
        **{name: parts[name] for name in (VAE, TEXT, "tokenizer", UNET, "scheduler")},
        adapter=adapter,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    image = control_picture()
    if adapter.config.in_channels == 1:
        image = (image * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return latents(pipeline, image=image, adapter_conditioning_scale=scale)


def softened(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A net's forward with guess mode's weights in all rows."""

    def scaled(*arguments: Any, **named: Any) -> Any:
        down, middle = forward(*arguments, **named)
        last = len(down)
        return [SOFTENING ** (last - i) * x for i, x in enumerate(down)], middle

    return scaled


def powers(_first: float, _last: float, count: int, **_named: Any) -> torch.Tensor:
    """The original's guess mode in the place of diffusers' torch.logspace(−1, 0, count)."""
    return torch.tensor([SOFTENING ** (count - 1 - i) for i in range(count)])


@torch.inference_mode()
def values() -> dict[str, torch.Tensor]:
    """The reference values of every case."""
    first, second = net_of(V1, "first."), net_of(V1, "second.")
    cases = {
        "one": drawn(V1, first, controlnet_conditioning_scale=0.8),
        "two": drawn(
            V1,
            [first, second],
            image=[control_picture(), second_picture()],
            controlnet_conditioning_scale=[1.0, 0.6],
        ),
        "window": drawn(V1, first, control_guidance_start=0.2, control_guidance_end=0.6),
        "pooled": drawn(V1, net_of(V1, "first.", pools=True)),
        "v2": drawn(V2, net_of(V2, "first.")),
        "full": drawn_with_adapter(V1, adapter_of(V1, "full.", "full_adapter", 1), 0.7),
        "light": drawn_with_adapter(V1, adapter_of(V1, "light.", "light_adapter", 3), 1.0),
    }
    with mock.patch("torch.logspace", powers):
        cases["control"] = drawn(V1, first, guess_mode=True)
    with mock.patch.object(first, "forward", softened(first.forward)):
        cases["prompt"] = drawn(V1, first)
    plain = latents(pipeline_of(V1, build(V1)))
    for name, found in cases.items():
        others = plain if name != "v2" else torch.zeros_like(found)
        print(f"{name}: largest {found.abs().max():.2f}, moved by {(found - others).abs().max():.2f}")
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the .safetensors that is written")
    path = parser.parse_args().file
    save_file({name: tensor.contiguous() for name, tensor in values().items()}, path)
    path.chmod(0o644)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
