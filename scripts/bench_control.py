#!/usr/bin/env python3
"""Measures what control costs: `sd swap` of one pair and `sd txt2img --attn` beside plain
`sd txt2img` of one picture, in alternation, and prints ratios of seconds spent sampling and how much
peak memory grows. With --additions the same of what is added to a model: 1 and 5 merged LoRAs, one
and two ControlNets, an IP-Adapter.

Every draw runs in a process of its own with the same weights, size, steps and threads. A swap
samples its source beside its target, so that its UNet sees twice the rows; the difference to 2 is
what control costs. The report has medians; who goes first changes with every repeat. Other load
disturbs all alike but not evenly: "cores used" well below --threads shows it.

    python3 scripts/bench_control.py --sd build/sd --ckpt full.ckpt --dtype bf16 --repeats 3
    python3 tests/tools/make_full_additions.py --out additions
    python3 scripts/bench_control.py --sd build/sd --ckpt full.ckpt --dtype bf16 --additions additions --steps 8
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
# What is promised: at most so many times the plain draw, and so many MB more; None: nothing.
Promise = tuple[float | None, float | None]
CONTROLS: dict[str, Promise] = {"swap": (2.0, 300), "attn": (1.03, 300)}
ADDITIONS: dict[str, Promise] = {
    "1 LoRA": (1.03, None),
    "5 LoRAs": (1.03, None),
    "1 ControlNet": (1.45, None),
    "2 ControlNets": (None, None),
    "IP-Adapter": (None, None),
}
PROMISES = CONTROLS | ADDITIONS
PICTURE = Path(__file__).resolve().parents[1] / "assets" / "examples" / "demo.png"


def words_of(name: str, args: argparse.Namespace, folder: str) -> list[str]:
    """The options that one kind of draw has beyond a plain one."""
    if name == "swap":
        return ["--sprompt", SOURCE]
    if name == "attn":
        return ["--attn", str(Path(folder) / "attn")]
    if name == "plain":
        return []
    if name == "IP-Adapter":
        adapter = f"{args.additions}/ip-adapter.safetensors:{PICTURE}"
        return ["--ip-adapter", adapter, "--ip-vision", f"{args.additions}/image_encoder"]
    count, words = int(name.split()[0]), []
    for number in range(1, count + 1):
        if "LoRA" in name:
            words += ["--lora", f"{args.additions}/lora{number}.safetensors:0.5"]
        else:
            words += ["--control", f"{args.additions}/net{number}.safetensors:{PICTURE}:0.5"]
    return words


def command_of(name: str, args: argparse.Namespace, folder: str) -> list[str]:
    """The command line of one kind of draw."""
    words = ["--prompt", TARGET, *words_of(name, args, folder)]
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
    return [str(args.sd.resolve()), verb, "-v", *words, *flat, "--skip_grid", *args.sd_arg]


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

    def shown(limit: float | None) -> str:
        return "" if limit is None else f"{limit:g}"

    kept = True
    print("\n| beside txt2img | sampling, ratio | at most | peak RSS, MB more | at most | load, s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, of_name in runs.items():
        most, most_growth = PROMISES.get(name, (None, None))
        # Pair by pair: neighbours in time saw the same machine.
        pairs = zip(of_name, runs["plain"], strict=True)
        ratios = sorted(run.sample / plain.sample for run, plain in pairs)
        ratio = statistics.median(ratios)
        rss = median(name, lambda run: run.usage.peak_rss)
        growth = 1024 * (rss - median("plain", lambda run: run.usage.peak_rss))
        kept = kept and (most is None or ratio <= most)
        kept = kept and (most_growth is None or growth <= most_growth)
        print(
            f"| {name} | {ratio:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) | {shown(most)} "
            f"| {growth:.0f} | {shown(most_growth)} | {median(name, lambda run: run.load):.2f} |"
        )
    return kept


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sd", type=Path, metavar="BINARY", default=Path("build/sd"))
    parser.add_argument("--ckpt", type=Path, metavar="FILE", required=True, help="full-size weights")
    parser.add_argument(
        "--only", choices=list(PROMISES), action="append", help="may be repeated (default: all)"
    )
    parser.add_argument(
        "--additions",
        type=Path,
        metavar="DIR",
        help="what make_full_additions.py wrote: measures these instead of swap and attn",
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
    names = ["plain", *(args.only or (ADDITIONS if args.additions else CONTROLS))]
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
