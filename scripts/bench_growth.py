#!/usr/bin/env python3
"""Measures how the time of `sd` grows with the side of a picture, with pictures drawn at a time, and
with steps, and prints tables with exponents: time ~ what grows to that power, by least squares of
logarithms.

A picture of twice the side has four times the pixels, and self-attention over them 16 times the
products: the UNet's exponent lies between 2 and 4, the autoencoder's is 2 as long as its own attention
is small. Pictures drawn at a time, and steps, should grow with 1 or less.

    python3 scripts/bench_growth.py --sd build/sd --ckpt full.ckpt --dtype bf16
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

from measured_run import run_measured


def bench(args: argparse.Namespace, **changes: int) -> dict[str, dict]:
    """The parts of one batch, as `sd bench --json` tells of them, with its memory."""
    options = {"size": args.size, "n_samples": 1, "steps": 3} | changes
    command = [str(args.sd), "bench", "--json", "-q", "--ckpt", args.ckpt, "--dtype", args.dtype]
    command += ["--threads", str(args.threads), "--device", "cpu"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    stdout, _, _ = run_measured(command, args.threads, args.limit)
    report = json.loads(stdout.splitlines()[-1])
    told = ", ".join(f"{name} {value}" for name, value in options.items())
    print(f"{told}: {report['phases']['unet']['median']:.3f} s a step", file=sys.stderr)
    return report


def exponent(growing: list[int], seconds: list[float]) -> float:
    """The slope of log seconds over log of what grows."""
    xs, ys = [math.log(x) for x in growing], [math.log(y) for y in seconds]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys))
    return above / sum((x - x_mean) ** 2 for x in xs)


def print_table(title: str, growing: list[int], rows: dict[str, list[float]]) -> None:
    """A row of seconds for each part, with its exponent where there are two numbers at least."""
    print(f"\n| {title} | {' | '.join(map(str, growing))} | exponent |")
    print("|---|" + "---:|" * (len(growing) + 1))
    for name, values in rows.items():
        last = f"{exponent(growing, values):.2f}" if len(growing) > 1 else ""
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} | {last} |")


def by_side(args: argparse.Namespace) -> None:
    found = [bench(args, size=side) for side in args.sides]
    rows = {
        f"{part}, s": [report["phases"][part]["median"] for report in found]
        for part in ("unet", "vae")
    }
    rows["peak memory, GiB"] = [report["peak_rss"] / 2**30 for report in found]
    print_table("side", args.sides, rows)


def by_batch(args: argparse.Namespace) -> None:
    found = [bench(args, n_samples=count) for count in args.batches]
    seconds = [report["phases"]["unet"]["median"] for report in found]
    a_picture = [second / count for second, count in zip(seconds, args.batches)]
    memory = [report["peak_rss"] / 2**30 for report in found]
    rows = {"a step, s": seconds, "a step and picture, s": a_picture, "peak memory, GiB": memory}
    print_table("pictures at a time", args.batches, rows)


def by_steps(args: argparse.Namespace) -> None:
    """Without loading, which happens once however many steps there are."""
    totals = []
    for count in args.steps:
        phases = bench(args, steps=count)["phases"]
        drawn = (phases[part]["seconds"] for part in ("text", "unet", "vae", "file"))
        totals.append(sum(map(sum, drawn)))
    print_table("steps", args.steps, {"a picture without loading, s": totals})


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sd", type=Path, metavar="BINARY", default=Path("build/sd"), help="(default: build/sd)")
    add("--ckpt", metavar="FILE", required=True, help="full-size weights")
    add("--dtype", choices=["f32", "bf16"], default="f32")
    add("--sides", type=numbers, metavar="N,N", default=[256, 384, 512, 768, 1024], help="pixels")
    add("--batches", type=numbers, metavar="N,N", default=[1, 2, 4, 8], help="pictures at a time")
    add("--steps", type=numbers, metavar="N,N", default=[5, 10, 20, 50])
    add("--size", type=int, default=512, help="side where other things grow (default: 512)")
    cores = len(os.sched_getaffinity(0))
    add("--threads", type=int, default=cores, help="(default: all cores)")
    add("--limit", type=float, default=3600, metavar="S", help="seconds one run may take (3600)")
    args = parser.parse_args()
    args.sd = args.sd.resolve()
    by_side(args)
    by_batch(args)
    by_steps(args)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, TimeoutError) as error:
        sys.exit(f"bench_growth: {error}")
