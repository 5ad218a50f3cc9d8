#!/usr/bin/env python3
"""Stable Diffusion v1 with diffusers (eager) on the CPU, as bench_peers.py measures it.

    diffusers_runner.py serve --model full-diffusers --size 512 --dtype bf16 --threads 2
    diffusers_runner.py draw --model full-diffusers --size 512 --steps 20 --out picture.png

`serve` reads lines `unet` and `vae` and answers each with a line of JSON once it has evaluated that
part. `draw` makes one picture by DDIM and says on stdout where its time went. Needs torch, diffusers,
transformers and pillow.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

START = time.perf_counter()

import torch

from diffusers_peer import Peer

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def peak_rss() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@torch.inference_mode()
def serve(args: argparse.Namespace) -> None:
    dtype = DTYPES[args.dtype]
    peer = Peer(args.model, dtype)
    latents = peer.start_noise(1, args.size, args.size, seed=0).to(dtype)
    context = torch.randn(2, 77, peer.unet.config.cross_attention_dim).to(dtype)
    evaluate = {
        "unet": lambda: peer.unet(
            torch.cat([latents, latents]), torch.tensor(500), encoder_hidden_states=context
        ),
        "vae": lambda: peer.vae.decode(latents),
    }
    for line in sys.stdin:
        part = line.strip()
        begin = time.perf_counter()
        evaluate[part]()
        seconds = time.perf_counter() - begin
        print(json.dumps({"part": part, "seconds": seconds, "peak_rss": peak_rss()}), flush=True)


def draw(args: argparse.Namespace) -> None:
    from PIL import Image

    imported = time.perf_counter()
    peer = Peer(args.model, DTYPES[args.dtype])
    loaded = time.perf_counter()
    noise = peer.start_noise(1, args.size, args.size, seed=42)
    drawn = peer.draw([args.prompt], noise, args.steps, args.scale)
    sampled = time.perf_counter()
    Image.fromarray(peer.decode(drawn.latents)[0].numpy()).save(args.out)
    timing = {
        "import": imported - START,
        "load": loaded - imported,
        "sample": sampled - loaded,
        "evals": len(drawn.unet_seconds),
        "decode": time.perf_counter() - sampled,
    }
    print(json.dumps(timing))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["serve", "draw"])
    parser.add_argument("--model", type=Path, metavar="DIR", required=True, help="diffusers folder")
    parser.add_argument("--size", type=int, default=512, help="side in pixels (default: 512)")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt", default="a photograph of an astronaut riding a horse")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps")
    parser.add_argument("--scale", type=float, default=7.5)
    parser.add_argument("--out", type=Path, metavar="FILE.png", default=Path("diffusers.png"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    serve(args) if args.command == "serve" else draw(args)


if __name__ == "__main__":
    main()
