#!/usr/bin/env python3
"""Measures what methods of editing cost beside the same command without them, in alternation, and
prints ratios of processor time spent after loading and how much more memory a process holds at most.

Every draw runs in a process of its own with the same weights, size, steps and threads. Weights may be
random: time does not depend on what they are, but for guides, which evaluate the UNet until words are looked
at as asked. So these are given a prompt that is nearly one word alone, which meets --excite's and --box's thresholds at
once: they take one evaluation with a gradient before each of the first half of the steps. What one costs is
told beside one plain evaluation; how many a picture takes, sd says with -v.

    python3 tests/tools/make_full_checkpoint.py --dtype f16 --out full.safetensors
    python3 scripts/bench_editing.py --sd build/sd --ckpt full.safetensors --dtype bf16 --steps 3
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measured_run import Usage, run_measured

PICTURE = str(Path(__file__).resolve().parents[1] / "assets" / "examples" / "photo.png")
SWAP = ["swap", "--sprompt", "a cat on a sofa", "--prompt", "a dog on a sofa"]
DRAW = ["txt2img", "--prompt", "a cat on a sofa"]
# 75 tokens, nearly all of one word, which so has nearly all of the attention, whatever the weights are.
CATS = ["txt2img", "--prompt", " ".join(["cat"] * 70 + ["dog"] * 5)]
# What is measured: its command, and what it is measured beside.
PEERS = {
    "txt2img": DRAW,
    "txt2img, a long prompt": CATS,
    "txt2img, a batch of two": [*DRAW, "--n_samples", "2"],
    "swap": [*SWAP, "--mode", "none"],
    "swap --mode p2p": [*SWAP, "--mode", "p2p"],
}
METHODS = {
    "--region, by latents": ([*DRAW, "--region", "0,0,0.5,1:a red cat"], "txt2img"),
    "--region, by attention": (
        [*DRAW, "--region", "0,0,0.5,1:a red cat", "--region-mode", "attention"],
        "txt2img",
    ),
    "--edit": ([*DRAW, "--edit", "+a hat"], "txt2img"),
    "--reference": ([*DRAW, "--reference", PICTURE], "txt2img"),
    "--excite": ([*CATS, "--excite", "cat"], "txt2img, a long prompt"),
    "--box": ([*CATS, "--box", "cat=0,0,1,0.95"], "txt2img, a long prompt"),
    "--style-aligned": ([*PEERS["txt2img, a batch of two"], "--style-aligned"], "txt2img, a batch of two"),
    "--masactrl": ([*SWAP, "--masactrl"], "swap"),
    "--pnp": ([*SWAP, "--pnp"], "swap"),
    "--appearance": ([*SWAP, "--appearance"], "swap"),
    "--init-img, inverted directly": ([*PEERS["swap --mode p2p"], "--init-img", PICTURE], "swap --mode p2p"),
}
TIMING = re.compile(
    r"^sd: timing: load=([\d.]+)s sample=([\d.]+)s evals=(\d+) decode=([\d.]+)s", re.MULTILINE
)
GRADIENTS = re.compile(r" in (\d+) evaluations?$", re.MULTILINE)


@dataclass
class Draw:
    seconds: float  # of processors, after loading
    sampled: float  # of them, in steps
    evaluations: int  # of the UNet, in steps
    gradients: int  # evaluations with gradients, before steps
    usage: Usage


def measure(words: list[str], args: argparse.Namespace) -> Draw:
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "--ckpt": args.ckpt,
            "--ddim_steps": args.steps,
            "--H": args.size,
            "--W": args.size,
            "--seed": 42,
            "--outdir": folder,
            "--device": "cpu",
            "--dtype": args.dtype,
            "--threads": args.threads,
        }
        flat = [str(part) for pair in settings.items() for part in pair]
        single = [] if "--n_samples" in words else ["--n_samples", "1"]
        command = [str(args.sd.resolve()), *words, *single, *flat, "--n_iter", "1", "--skip_grid", "-v"]
        _, stderr, usage = run_measured(command, args.threads, args.limit)
    timing = TIMING.search(stderr)
    if timing is None:
        raise RuntimeError(f"sd printed no 'sd: timing:' line:\n{stderr[-2000:]}")
    load, sample, decode = (float(timing[i]) for i in (1, 2, 4))
    seconds = usage.cores * usage.wall - args.threads * load
    gradients = sum(int(found) for found in GRADIENTS.findall(stderr))
    return Draw(seconds, seconds * sample / (sample + decode), int(timing[3]), gradients, usage)


def gradient_cost(own: Draw, other: Draw) -> float:
    """An evaluation with a gradient beside a plain one (of both rows of a guided picture)."""
    return (own.seconds - other.seconds) / own.gradients / (other.sampled / other.evaluations)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sd", type=Path, metavar="BINARY", default=Path("build/sd"))
    parser.add_argument("--ckpt", type=Path, metavar="FILE", required=True, help="full-size weights")
    parser.add_argument("--only", choices=list(METHODS), action="append", help="may be repeated (default: all)")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--steps", type=int, default=4, help="DDIM steps (default: 4)")
    parser.add_argument("--size", type=int, default=512, help="side in pixels (default: 512)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="(default: all cores)")
    parser.add_argument("--repeats", type=int, default=3, help="draws of each (default: 3)")
    parser.add_argument("--limit", type=float, default=3600, metavar="S", help="seconds one draw may take")
    return parser.parse_args()


def print_ratios(runs: dict[str, list[Draw]], chosen: list[str]) -> None:
    print("\n| | beside | processor time, ratio | peak RSS, MB more |\n|---|---|---:|---:|")
    for name in chosen:
        peer = METHODS[name][1]
        ratios = [own.seconds / other.seconds for own, other in zip(runs[name], runs[peer], strict=True)]
        more = 1024 * (
            statistics.median(run.usage.peak_rss for run in runs[name])
            - statistics.median(run.usage.peak_rss for run in runs[peer])
        )
        print(f"| `{name}` | `{peer}` | {statistics.median(ratios):.2f} | {more:.0f} |")


def print_gradients(runs: dict[str, list[Draw]], chosen: list[str]) -> None:
    guides = [name for name in chosen if runs[name][0].gradients > 0]
    if not guides:
        return
    print("\n| | evaluations with gradients | one, in plain ones | one, s |\n|---|---:|---:|---:|")
    for name in guides:
        pairs = list(zip(runs[name], runs[METHODS[name][1]], strict=True))
        cost = statistics.median(gradient_cost(own, other) for own, other in pairs)
        seconds = statistics.median((own.seconds - other.seconds) / own.gradients for own, other in pairs)
        print(f"| `{name}` | {runs[name][0].gradients} | {cost:.2f} | {seconds:.2f} |")


def main() -> None:
    args = parse_arguments()
    chosen = args.only or list(METHODS)
    commands = {name: METHODS[name][0] for name in chosen}
    commands |= {METHODS[name][1]: PEERS[METHODS[name][1]] for name in chosen}
    runs: dict[str, list[Draw]] = {name: [] for name in commands}
    for repeat in range(args.repeats):
        for name in list(commands)[:: 1 if repeat % 2 == 0 else -1]:
            run = measure(commands[name], args)
            runs[name].append(run)
            print(
                f"{repeat + 1}/{args.repeats} {name}: {run.seconds:.1f} s, {run.usage.peak_rss:.2f} GiB",
                file=sys.stderr,
            )
    print_ratios(runs, chosen)
    print_gradients(runs, chosen)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, TimeoutError) as error:
        sys.exit(f"bench_editing: {error}")
