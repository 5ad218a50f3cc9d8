#!/usr/bin/env python3
"""Writes what is added to a Stable Diffusion v1, with seeded random weights in the published layouts
and sizes: LoRAs in kohya's format (rank 16, every matrix of the transformers and of the text
encoder), a ControlNet (361M parameters, CompVis' names), an IP-Adapter and its vision tower
(ViT-H/14). For measurements (scripts/bench_control.py): values do not change how long they take.

    python tests/tools/make_full_additions.py --out additions     # 5 LoRAs, 3.2 GB in all

Needs torch and safetensors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from make_full_checkpoint import draw
from sd_layout import TEXT, UNET, Row, Sizes, all_rows, unet_rows

RANK = 16
LOUDNESS = 0.05  # of what a LoRA adds, beside its weights
HINT = ((3, 16), (16, 16), (16, 32), (32, 32), (32, 96), (96, 96), (96, 256), (256, 320))
VISION = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "projection_dim": 1024,
    "patch_size": 14,
    "image_size": 224,
    "hidden_act": "gelu",
    "architectures": ["CLIPVisionModelWithProjection"],
    "model_type": "clip_vision_model",
}
TOKENS = 4

Tensors = dict[str, torch.Tensor]


def random(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """A tensor drawn as those of the models are, by what its name ends in."""
    kind = "bias" if name.endswith("bias") else "norm.weight" if len(shape) == 1 else "weight"
    return draw(Row("", name, name, shape, kind, shape), generator).half()


def lora(sizes: Sizes, seed: int) -> Tensors:
    """kohya's format: for each matrix up · down · alpha / rank."""
    generator = torch.Generator().manual_seed(seed)
    tensors: Tensors = {}
    for row in all_rows(sizes):
        linear = row.name.endswith(".weight") and row.kind == "weight" and max(row.shape[2:], default=1) == 1
        unet = row.part == UNET and ".transformer_blocks." in row.name or ".proj_" in row.name
        if not linear or row.part not in (UNET, TEXT) or (row.part == UNET and not unet):
            continue
        head = {UNET: "lora_unet_", TEXT: "lora_te_"}[row.part]
        path = head + row.diffusers_name.removesuffix(".weight").replace(".", "_")
        outputs, inputs, *taps = row.shape
        down = torch.randn((RANK, inputs, *taps), generator=generator) / inputs**0.5
        up = torch.randn((outputs, RANK, *taps), generator=generator) / RANK**0.5
        tensors[f"{path}.lora_down.weight"] = (LOUDNESS * down).half()
        tensors[f"{path}.lora_up.weight"] = up.half()
        tensors[f"{path}.alpha"] = torch.tensor(float(RANK)).half()
    return tensors


def control_net(sizes: Sizes, seed: int) -> Tensors:
    """cldm's ControlNet: the UNet's way down and middle, a tower for the picture, convolutions of one
    pixel behind each of the levels."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        row.name: row.shape
        for row in unet_rows(sizes)
        if row.name.startswith(("time_embed.", "input_blocks.", "middle_block."))
    }
    widths = [sizes.unet_channels]
    for level, mult in enumerate(sizes.unet_mult):
        widths += [sizes.unet_channels * mult] * sizes.unet_blocks
        if level + 1 < len(sizes.unet_mult):
            widths.append(widths[-1])
    for number, width in enumerate(widths):
        shapes |= convolution(f"zero_convs.{number}.0", width, width, 1)
    shapes |= convolution("middle_block_out.0", widths[-1], widths[-1], 1)
    for number, (inputs, outputs) in enumerate(HINT):
        shapes |= convolution(f"input_hint_block.{2 * number}", inputs, outputs, 3)
    return {f"control_model.{name}": random(name, shape, generator) for name, shape in shapes.items()}


def convolution(name: str, inputs: int, outputs: int, side: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def ip_adapter(sizes: Sizes, seed: int) -> Tensors:
    """The plain one: a projection to 4 tokens, keys and values for each cross-attention, in the order
    down, up, middle."""
    generator = torch.Generator().manual_seed(seed)
    order = {"input_blocks": 0, "output_blocks": 1, "middle_block": 2}
    layers = [row for row in unet_rows(sizes) if row.name.endswith("attn2.to_k.weight")]
    layers.sort(key=lambda row: order[row.name.split(".")[0]])
    shapes: dict[str, tuple[int, ...]] = {
        "image_proj.proj.weight": (TOKENS * sizes.context, VISION["projection_dim"]),
        "image_proj.proj.bias": (TOKENS * sizes.context,),
        "image_proj.norm.weight": (sizes.context,),
        "image_proj.norm.bias": (sizes.context,),
    }
    for index, row in enumerate(layers):
        for letter in "kv":
            shapes[f"ip_adapter.{2 * index + 1}.to_{letter}_ip.weight"] = row.shape
    return {name: random(name, shape, generator) for name, shape in shapes.items()}


def tower_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """transformers' CLIPVisionModelWithProjection."""
    width, inner = VISION["hidden_size"], VISION["intermediate_size"]
    patch, places = VISION["patch_size"], (VISION["image_size"] // VISION["patch_size"]) ** 2 + 1
    yield "embeddings.class_embedding", (width,)
    yield "embeddings.patch_embedding.weight", (width, 3, patch, patch)
    yield "embeddings.position_embedding.weight", (places, width)
    for norm in ("pre_layrnorm", "post_layernorm"):
        yield f"{norm}.weight", (width,)
        yield f"{norm}.bias", (width,)
    for number in range(VISION["num_hidden_layers"]):
        layer = f"encoder.layers.{number}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{layer}.self_attn.{name}.weight", (width, width)
            yield f"{layer}.self_attn.{name}.bias", (width,)
        for name, outputs, inputs in (("fc1", inner, width), ("fc2", width, inner)):
            yield f"{layer}.mlp.{name}.weight", (outputs, inputs)
            yield f"{layer}.mlp.{name}.bias", (outputs,)
        for name in ("layer_norm1", "layer_norm2"):
            yield f"{layer}.{name}.weight", (width,)
            yield f"{layer}.{name}.bias", (width,)


def vision_tower(seed: int) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    tensors = {f"vision_model.{name}": random(name, shape, generator) for name, shape in tower_shapes()}
    projection = (VISION["projection_dim"], VISION["hidden_size"])
    return tensors | {"visual_projection.weight": random("weight", projection, generator)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--loras", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    args = parser.parse_args()
    sizes = Sizes()
    tower = args.out / "image_encoder"
    tower.mkdir(parents=True, exist_ok=True)
    for number in range(args.loras):
        save_file(lora(sizes, args.seed + number), args.out / f"lora{number + 1}.safetensors")
    for number in range(2):
        save_file(control_net(sizes, args.seed + number), args.out / f"net{number + 1}.safetensors")
    save_file(ip_adapter(sizes, args.seed), args.out / "ip-adapter.safetensors")
    (tower / "config.json").write_text(json.dumps(VISION, indent=2))
    save_file(vision_tower(args.seed), tower / "model.safetensors")


if __name__ == "__main__":
    main()
