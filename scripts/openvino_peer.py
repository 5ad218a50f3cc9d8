#!/usr/bin/env python3
"""Stable Diffusion v1 with OpenVINO on the CPU, as bench_peers.py measures it: static shapes, the
latency hint, exported from the weights of a diffusers folder.

    openvino_peer.py export --model full-diffusers --ir ir --size 512
    openvino_peer.py serve --model full-diffusers --ir ir --size 512 --dtype bf16 --threads 2
    openvino_peer.py draw --model full-diffusers --ir ir --size 512 --steps 20 --out picture.png

`serve` reads lines `unet` and `vae` and answers each with a line of JSON once it has evaluated that
part. `draw` makes one picture by DDIM and says on stdout where its time went. Models that were
compiled are kept beside the exported ones, as OpenVINO does it (CACHE_DIR). Needs openvino and numpy;
export also torch, diffusers and transformers, draw also transformers and pillow.
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
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import openvino

PARTS = ("text", "unet", "vae")
TOKENS = 77


def part_path(args: argparse.Namespace, part: str) -> Path:
    """Shapes are part of an exported model, so each size has files of its own."""
    return args.ir / (f"{part}.xml" if part == "text" else f"{part}-{args.size}.xml")


def config(args: argparse.Namespace, part: str) -> dict:
    return json.loads((args.model / part / "config.json").read_text())


def side_of(args: argparse.Namespace) -> int:
    """Of the latents."""
    return args.size // 2 ** (len(config(args, "vae")["block_out_channels"]) - 1)


def export(args: argparse.Namespace) -> None:
    """Writes what is not there yet of the three parts."""
    missing = [part for part in PARTS if not part_path(args, part).exists()]
    if not missing:
        return
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    class Unet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = UNet2DConditionModel.from_pretrained(args.model / "unet")

        def forward(self, sample, timestep, context):
            return self.model(sample, timestep, encoder_hidden_states=context, return_dict=False)[0]

    class Vae(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoencoderKL.from_pretrained(args.model / "vae")

        def forward(self, latents):
            return self.model.decode(latents, return_dict=False)[0]

    class Text(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = CLIPTextModel.from_pretrained(args.model / "text_encoder")

        def forward(self, ids):
            return self.model(ids, return_dict=False)[0]

    side = side_of(args)
    channels = config(args, "unet")["in_channels"]
    width = config(args, "unet")["cross_attention_dim"]
    examples = {
        "text": (Text, (torch.zeros(2, TOKENS, dtype=torch.int64),)),
        "unet": (
            Unet,
            (
                torch.randn(2, channels, side, side),
                torch.tensor(500.0),
                torch.randn(2, TOKENS, width),
            ),
        ),
        "vae": (Vae, (torch.randn(1, channels, side, side),)),
    }
    args.ir.mkdir(parents=True, exist_ok=True)
    for part in missing:
        kind, inputs = examples[part]
        print(f"exporting {part}", file=sys.stderr)
        with torch.no_grad():
            model = openvino.convert_model(
                kind().eval(), example_input=inputs, input=[list(each.shape) for each in inputs]
            )
        path = part_path(args, part)
        # A half-written model is not taken for one: the .xml, which is looked for, comes last.
        openvino.save_model(model, path.with_suffix(".part.xml"), compress_to_fp16=False)
        path.with_suffix(".part.bin").rename(path.with_suffix(".bin"))
        path.with_suffix(".part.xml").rename(path)
        del model


class Peer:
    """The parts asked for, compiled."""

    def __init__(self, args: argparse.Namespace, parts: tuple[str, ...]) -> None:
        core = openvino.Core()
        core.set_property({"CACHE_DIR": str(args.ir / f"compiled-{args.dtype}")})
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": args.dtype,
            "INFERENCE_NUM_THREADS": args.threads,
        }
        self.requests = {
            part: core.compile_model(part_path(args, part), "CPU", options).create_infer_request()
            for part in parts
        }

    def run(self, part: str, *inputs: np.ndarray) -> np.ndarray:
        return self.requests[part].infer(list(inputs), share_inputs=True, share_outputs=True)[0]


def peak_rss() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def serve(args: argparse.Namespace) -> None:
    peer = Peer(args, ("unet", "vae"))
    random = np.random.default_rng(0)
    side = side_of(args)
    channels = config(args, "unet")["in_channels"]
    width = config(args, "unet")["cross_attention_dim"]

    def noise(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32)

    inputs = {
        "unet": (noise(2, channels, side, side), np.float32(500), noise(2, TOKENS, width)),
        "vae": (noise(1, channels, side, side),),
    }
    for line in sys.stdin:
        part = line.strip()
        begin = time.perf_counter()
        peer.run(part, *inputs[part])
        seconds = time.perf_counter() - begin
        print(json.dumps({"part": part, "seconds": seconds, "peak_rss": peak_rss()}), flush=True)


def alphas_cumprod(args: argparse.Namespace) -> np.ndarray:
    path = args.model / "scheduler" / "scheduler_config.json"
    schedule = json.loads(path.read_text())
    ends = np.sqrt([schedule["beta_start"], schedule["beta_end"]])
    return np.cumprod(1 - np.linspace(*ends, 1000) ** 2)


def draw(args: argparse.Namespace) -> None:
    from PIL import Image
    from transformers import CLIPTokenizer

    imported = time.perf_counter()
    peer = Peer(args, PARTS)
    tokenizer = CLIPTokenizer.from_pretrained(args.model / "tokenizer", local_files_only=True)
    loaded = time.perf_counter()
    ids = tokenizer(
        ["", args.prompt], padding="max_length", max_length=TOKENS, truncation=True
    ).input_ids
    context = peer.run("text", np.array(ids, dtype=np.int64)).copy()
    side = side_of(args)
    shape = (1, config(args, "unet")["in_channels"], side, side)
    latents = np.load(args.noise) if args.noise else None
    if latents is None:
        latents = np.random.default_rng(42).standard_normal(shape, dtype=np.float32)
    cumprod = alphas_cumprod(args)
    # As CompVis' DDIM (eta 0): steps evenly spaced from 1 on; before the first stands ᾱ of 0.
    spacing = 1000 // args.steps
    steps = range(1 + spacing * (args.steps - 1), 0, -spacing)
    for step in steps:
        rows = np.concatenate([latents, latents])
        eps = peer.run("unet", rows, np.float32(step), context)
        eps = eps[:1] + np.float32(args.scale) * (eps[1:] - eps[:1])
        here, there = cumprod[step], cumprod[max(step - spacing, 0)]
        x0 = (latents - np.sqrt(1 - here) * eps) / np.sqrt(here)
        latents = (np.sqrt(there) * x0 + np.sqrt(1 - there) * eps).astype(np.float32)
    sampled = time.perf_counter()
    scaling = config(args, "vae").get("scaling_factor", 0.18215)
    decoded = peer.run("vae", (latents / scaling).astype(np.float32))
    pixels = (np.clip(decoded[0] / 2 + 0.5, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(pixels).save(args.out)
    timing = {
        "import": imported - START,
        "load": loaded - imported,
        "sample": sampled - loaded,
        "evals": len(steps),
        "decode": time.perf_counter() - sampled,
    }
    print(json.dumps(timing))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["export", "serve", "draw"])
    parser.add_argument("--model", type=Path, metavar="DIR", required=True, help="diffusers folder")
    parser.add_argument("--ir", type=Path, metavar="DIR", required=True, help="exported models")
    parser.add_argument("--size", type=int, default=512, help="side in pixels (default: 512)")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt", default="a photograph of an astronaut riding a horse")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps, a divisor of 1000")
    parser.add_argument("--scale", type=float, default=7.5)
    parser.add_argument("--noise", type=Path, metavar="FILE.npy", help="start [1,4,h,w] of float32")
    parser.add_argument("--out", type=Path, metavar="FILE.png", default=Path("openvino.png"))
    args = parser.parse_args()
    if args.command == "export":
        export(args)
    elif args.command == "serve":
        serve(args)
    else:
        draw(args)


if __name__ == "__main__":
    main()
