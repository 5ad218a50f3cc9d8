#!/usr/bin/env python3
"""Writes a Stable Diffusion v1 with seeded random weights in the published layout.

For tests and measurements that need the real size and names but no trained weights: 860M parameters
in the UNet, 84M in the VAE, 123M in the text encoder; 4.3 GB in f32, 2.1 GB in f16 (--ema: 3.4 and
1.7 GB more). Layers keep the variance of what they are given, so activations stay finite; pictures
are noise.

Needs torch (a safetensors file or a diffusers folder: safetensors and numpy; with --check:
diffusers and transformers too).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

from checkpoint_io import check_diffusers, write_checkpoint, write_diffusers, write_safetensors
from sd_layout import LAION_400M, UNET, Row, Sizes, all_rows, sizes_from_yaml

DTYPES = {"f32": torch.float32, "f16": torch.float16}


def draw(row: Row, generator: torch.Generator) -> torch.Tensor:
    """Random values of one tensor. Norms and biases stand a little off 1 and 0, so that a mix-up of
    two shows."""
    noise = torch.randn(row.shape, generator=generator, device=generator.device)
    if row.kind == "weight":
        return noise.mul_(1 / math.sqrt(math.prod(row.shape[1:])))
    if row.kind == "norm.weight":
        return noise.mul_(0.05).add_(1)
    return noise.mul_(0.02)


def schedule_buffers(sizes: Sizes) -> dict[str, torch.Tensor]:
    """The noise schedule's buffers (DDPM's notation) that a LatentDiffusion module saves."""
    betas = (
        torch.linspace(sizes.linear_start**0.5, sizes.linear_end**0.5, 1000, dtype=torch.float64)
        ** 2
    )
    alphas = 1 - betas
    cumprod = alphas.cumprod(0)
    previous = torch.cat([torch.ones(1, dtype=torch.float64), cumprod[:-1]])
    variance = betas * (1 - previous) / (1 - cumprod)
    buffers = {
        "betas": betas,
        "alphas_cumprod": cumprod,
        "alphas_cumprod_prev": previous,
        "sqrt_alphas_cumprod": cumprod.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - cumprod).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - cumprod).log(),
        "sqrt_recip_alphas_cumprod": (1 / cumprod).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / cumprod - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * previous.sqrt() / (1 - cumprod),
        "posterior_mean_coef2": (1 - previous) * alphas.sqrt() / (1 - cumprod),
    }
    return {name: values.float() for name, values in buffers.items()}


def random_model(
    sizes: Sizes, seed: int, dtype: torch.dtype, ema: bool, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, on the CPU. EMA weights are drawn anew, so that taking the wrong
    ones shows. A GPU draws other values, and sooner."""
    generator = torch.Generator(device).manual_seed(seed)
    rows = all_rows(sizes)
    tensors = schedule_buffers(sizes)
    tensors |= {row.compvis_name: draw(row, generator).to("cpu", dtype) for row in rows}
    if sizes.text == "clip":
        position_ids = "cond_stage_model.transformer.text_model.embeddings.position_ids"
        tensors[position_ids] = torch.arange(77).unsqueeze(0)
    if ema:
        tensors["model_ema.decay"] = torch.tensor(0.9999)
        tensors["model_ema.num_updates"] = torch.tensor(1234, dtype=torch.int32)
        for row in rows:
            if row.part == UNET:
                name = "model_ema.diffusion_model" + row.name.replace(".", "")
                tensors[name] = draw(row, generator).to("cpu", dtype)
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        action="append",
        help="file (.ckpt, .safetensors) or diffusers folder; repeated: the same weights in each",
    )
    parser.add_argument(
        "--format",
        choices=["ckpt", "safetensors", "diffusers"],
        action="append",
        help="format of each --out, in order (default: by its suffix, no suffix being a folder)",
    )
    parser.add_argument(
        "--dtype", choices=DTYPES, default="f32", help="of the weights (default: f32)"
    )
    parser.add_argument(
        "--ema", action="store_true", help="add model_ema.* as in the full training checkpoints"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    parser.add_argument(
        "--sizes", type=Path, metavar="YAML", help="config of a model of other sizes"
    )
    parser.add_argument(
        "--laion400m",
        action="store_true",
        help="LAION-400M latent diffusion instead (text2img-large: 1.5B parameters; no folder)",
    )
    parser.add_argument(
        "--device", default="cpu", help="that draws the weights: cuda is faster (default: cpu)"
    )
    parser.add_argument(
        "--check", action="store_true", help="load diffusers folders with diffusers, strictly"
    )
    args = parser.parse_args()
    formats = args.format or [path.suffix.lstrip(".") or "diffusers" for path in args.out]
    if len(formats) != len(args.out) or not set(formats) <= {"ckpt", "safetensors", "diffusers"}:
        parser.error("give one --format (ckpt, safetensors, diffusers) for each --out")

    sizes = LAION_400M if args.laion400m else Sizes()
    if args.sizes:
        sizes = sizes_from_yaml(args.sizes)
    tensors = random_model(sizes, args.seed, DTYPES[args.dtype], args.ema, args.device)
    for path, kind in zip(args.out, formats):
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "ckpt":
            write_checkpoint(tensors, path)
        elif kind == "safetensors":
            write_safetensors(tensors, path)
        else:
            write_diffusers(tensors, sizes, path, tokenizer=True)
        print(path)
    del tensors
    for path, kind in zip(args.out, formats):
        if args.check and kind == "diffusers":
            for part, count in check_diffusers(path).items():
                print(f"{path}: {part} {count / 1e6:.2f}M parameters")


if __name__ == "__main__":
    main()
