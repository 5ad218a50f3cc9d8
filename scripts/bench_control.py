#!/usr/bin/env python3
"""Measures what control costs: `sd swap` of one pair and `sd txt2img --attn` beside plain
`sd txt2img` of one picture, in alternation, and prints ratios of seconds spent sampling and how much
peak memory grows.

Every draw runs in a process of its own with the same weights, size, steps and threads. A swap
samples its source beside its target, so that its UNet sees twice the rows; the difference to 2 is
what control costs. The report has medians; who goes first changes with every repeat. Other load
disturbs all alike but not evenly: "cores used" well below --threads shows it.

    python3 scripts/bench_control.py --sd build/sd --ckpt full.ckpt --dtype bf16 --repeats 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from measured_run import Measurement, parse_timing, run_measured

SOURCE = "a photograph of a cat riding a horse"
TARGET = "a photograph of a dog riding a horse"
SCALE = 7.5
# What is promised: at most so many times the plain draw, and so many MB more.
MOST = {"swap": 2.0, "attn": 1.03}
MOST_GROWTH = 300


def command_of(name: str, args: argparse.Namespace, folder: str) -> list[str]:
    """The command line of one kind of draw."""
    prompts = ["--prompt", TARGET]
    if name == "swap":
        prompts = ["--sprompt", SOURCE, *prompts]
    elif name == "attn":
        prompts += ["--attn", str(Path(folder) / "attn")]
    verb = "swap" if name == "swap" else "txt2img"
    settings = {
        "--ckpt": args.ckpt,
        "--ddim_steps": args.steps,
        "--H": args.size,
        "--W": args.size,
        "--scale": SCALE,
        "--n_samples": 1,
        "--n_iter": 1,
        "--seed": 42,
        "--outdir": folder,
        "--device": "cpu",
        "--dtype": args.dtype,
        "--threads": args.threads,
    }
    flat = [str(part) for pair in settings.items() for part in pair]
    return [str(args.sd.resolve()), verb, "-v", *prompts, *flat, "--skip_grid", *args.sd_arg]


def measure(name: str, args: argparse.Namespace) -> Measurement:
    """One draw."""
    with tempfile.TemporaryDirectory() as folder:
        _, stderr, usage = run_measured(command_of(name, args, folder), args.threads, args.limit)
    timing = parse_timing(stderr)
    return Measurement(
        timing["load"], timing["sample"], int(timing["evals"]), timing["decode"], usage
    )


def report(runs: dict[str, list[Measurement]]) -> bool:
    """Prints a Markdown table of medians beside the plain draw's; false if a promise is broken."""

    def median(name: str, value) -> float:
        return statistics.median(map(value, runs[name]))

    kept = True
    print("\n| beside txt2img | sampling, ratio | at most | peak RSS, MB more | at most |")
    print("|---|---:|---:|---:|---:|")
    for name in (each for each in runs if each != "plain"):
        ratio = median(name, lambda run: run.sample) / median("plain", lambda run: run.sample)
        growth = 1024 * (
            median(name, lambda run: run.usage.peak_rss)
            - median("plain", lambda run: run.usage.peak_rss)
        )
        kept = kept and ratio <= MOST[name] and growth <= MOST_GROWTH
        print(f"| {name} | {ratio:.3f} | {MOST[name]} | {growth:.0f} | {MOST_GROWTH} |")
    return kept


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sd", type=Path, metavar="BINARY", default=Path("build/sd"))
    parser.add_argument("--ckpt", type=Path, metavar="FILE", required=True, help="full-size weights")
    parser.add_argument(
        "--only", choices=list(MOST), action="append", help="may be repeated (default: both)"
    )
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--steps", type=int, default=4, help="DDIM steps (default: 4)")
    parser.add_argument("--size", type=int, default=512, help="side in pixels (default: 512)")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="(default: all cores)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="draws of each (default: 3)")
    parser.add_argument(
        "--limit", type=float, default=3600, metavar="S", help="seconds one draw may take"
    )
    parser.add_argument(
        "--sd-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="one more for every draw, as --sd-arg=--plms",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    names = ["plain", *(args.only or MOST)]
    runs: dict[str, list[Measurement]] = {name: [] for name in names}
    for repeat in range(args.repeats):
        for name in names[:: 1 if repeat % 2 == 0 else -1]:
            run = measure(name, args)
            runs[name].append(run)
            print(
                f"{repeat + 1}/{args.repeats} {name}: sampling {run.sample:.2f} s "
                f"({run.evals} UNet evaluations), {run.usage.cores:.2f} cores, "
                f"RSS {run.usage.peak_rss:.2f} GiB",
                file=sys.stderr,
            )
    if not report(runs):
        sys.exit("bench_control: more than promised")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, TimeoutError) as error:
        sys.exit(f"bench_control: {error}")
