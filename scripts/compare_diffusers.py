#!/usr/bin/env python3
"""Draws the same prompts with `sd txt2img` and with the `diffusers` package, from the same start
noise, and compares.

Both draw one batch in f32 from torch.randn(N,4,h,w) of a CPU generator. Compared are the final
latents (largest difference, --eps) and the 8-bit pictures (largest and mean difference, --pixels).
Exits with 1 if either is exceeded.

    python3 -m venv .venv
    .venv/bin/pip install torch==2.15.0 diffusers==0.42.1 transformers==5.23.0 accelerate
    build/sd convert models/demo demo-diffusers/
    .venv/bin/python scripts/compare_diffusers.py --model demo-diffusers --ckpt models/demo \\
        --prompts models/demo/prompts.txt --sd build/sd

Without --sd only diffusers draws, for --write-latents and --write-noise: so tests/data/demo/ was
made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffusers_peer import Peer


def read_prompts(path: Path) -> list[str]:
    """The lines that `sd txt2img --from-file` takes: neither empty nor starting with `#`."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def draw_with_sd(
    args: argparse.Namespace,
    prompts: list[str],
    noise: torch.Tensor,
    factor: int,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Final latents [N,4,h,w] and N pictures [H,W,3] of `sd txt2img`."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        np.save(work / "noise.npy", noise.numpy())
        (work / "prompts.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")
        command = [
            str(args.sd.resolve()),
            "txt2img",
            "--ckpt",
            str(args.ckpt or args.model),
            "--device",
            "cpu",
        ]
        command += [
            "--dtype",
            "f32",
            "--from-file",
            str(work / "prompts.txt"),
            "--outdir",
            str(work),
            "--skip_grid",
        ]
        command += [
            "--n_samples",
            str(len(prompts)),
            "--n_iter",
            "1",
            "--ddim_steps",
            str(args.steps),
        ]
        command += [
            "--scale",
            str(args.scale),
            "--init-latents",
            str(work / "noise.npy"),
            "--save-latents",
            str(work),
        ]
        command += ["--H", str(noise.shape[2] * factor), "--W", str(noise.shape[3] * factor)]
        command += ["--plms"] if args.plms else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        pictures = [
            np.asarray(Image.open(path).convert("RGB"))
            for path in sorted((work / "samples").glob("*.png"))
        ]
        return np.load(work / "latents.npy"), pictures


def compare(
    prompts: list[str],
    ours: tuple[np.ndarray, list[np.ndarray]],
    theirs: tuple[np.ndarray, np.ndarray],
    args: argparse.Namespace,
) -> bool:
    """Prints a row per prompt and returns whether all is within bounds."""
    latents, pictures = ours
    if latents.shape != theirs[0].shape or len(pictures) != len(prompts):
        print(
            f"sd gave latents {latents.shape} and {len(pictures)} pictures, "
            f"expected {theirs[0].shape} and {len(prompts)}"
        )
        return False
    print(f"{'latents':>9} {'pixels':>6} {'mean':>6}  prompt")
    passed = True
    for prompt, mine, other, picture, expected in zip(
        prompts, latents, theirs[0], pictures, theirs[1]
    ):
        if picture.shape != expected.shape:
            print(f"sd drew {picture.shape} for '{prompt}', expected {expected.shape}")
            return False
        latent = float(np.abs(mine - other).max())
        pixels = np.abs(picture.astype(np.int16) - expected.astype(np.int16))
        within = latent <= args.eps and pixels.max() <= args.pixels  # a NaN is not within
        passed = passed and within
        mark = "" if within else "   <- FAILED"
        print(f"{latent:9.2e} {pixels.max():6d} {pixels.mean():6.4f}  {prompt}{mark}")
    largest = np.abs(theirs[0]).max()
    print(f"largest latent {largest:.2f}; allowed: latents {args.eps:g}, pixels {args.pixels}")
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, required=True, metavar="DIR", help="diffusers folder, for both"
    )
    parser.add_argument(
        "--ckpt", type=Path, metavar="FILE", help="give sd this file of the same weights instead"
    )
    parser.add_argument(
        "--sd", type=Path, metavar="BINARY", help="build/sd; without it only diffusers draws"
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="a prompt a line (default: prompts.txt in --model)",
    )
    parser.add_argument("--steps", type=int, default=25, help="DDIM steps (default: 25)")
    parser.add_argument("--scale", type=float, default=5, help="guidance (default: 5)")
    parser.add_argument("--plms", action="store_true", help="PLMS instead of DDIM")
    parser.add_argument("--seed", type=int, default=0, help="of the start noise (default: 0)")
    parser.add_argument(
        "--pixels-high", type=int, metavar="H", help="height (default: the model's)"
    )
    parser.add_argument("--pixels-wide", type=int, metavar="W", help="width (default: the model's)")
    parser.add_argument(
        "--eps", type=float, default=1e-3, help="largest difference of latents (default: 1e-3)"
    )
    parser.add_argument(
        "--pixels", type=int, default=2, help="largest difference of 8-bit values (default: 2)"
    )
    parser.add_argument(
        "--write-latents", type=Path, metavar="FILE.npy", help="save diffusers' final latents"
    )
    parser.add_argument("--write-noise", type=Path, metavar="FILE.npy", help="save the start noise")
    args = parser.parse_args()

    prompts = read_prompts(args.prompts or args.model / "prompts.txt")
    peer = Peer(args.model)
    side = peer.unet.config.sample_size * peer.factor
    noise = peer.start_noise(
        len(prompts), args.pixels_high or side, args.pixels_wide or side, args.seed
    )
    latents = peer.draw(prompts, noise, args.steps, args.scale, args.plms).latents
    for path, values in ((args.write_noise, noise), (args.write_latents, latents)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values.numpy())
            print(path)
    if args.sd is None:
        return 0
    theirs = latents.numpy(), peer.decode(latents).numpy()
    passed = compare(prompts, draw_with_sd(args, prompts, noise, peer.factor), theirs, args)
    print("same pictures" if passed else "DIFFERENT pictures")
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"compare_diffusers: {error}")
