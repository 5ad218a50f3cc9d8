#!/usr/bin/env python3
"""Measures `sd` beside diffusers (eager) and OpenVINO on the same weights, alternately in one
sitting, and prints ratios with their spread.

`evaluations`: every program stays loaded and evaluates one at a time what it is asked for, the UNet
with guidance (a batch of 2) and the decoding of one picture, while the others wait. A ratio is that
of two evaluations that followed each other, so a machine that drifts slows both; the table has the
median of the rounds and, in brackets, the least and the greatest. `share of the limit` is what the
UNet's FLOPs, direct convolutions counted, come to of the multiply-adds that the CPU does on registers
alone, measured in the same rounds by `sd`.

`pictures`: processes from their start to the picture's file, by DDIM, guidance 7.5, with weights in
the page cache. Memory is what the kernel counted for the process, in which the mapped pages of a
weight file are included; "anonymous" leaves those out (sampled 20 times a second). "cores used" well
below --threads shows that something else ran.

Each program has an environment of its own. Weights of full size, then the measurement (16 GB of
memory for all three in f32, 13 GB of disk):

    python3 -m venv diffusers-env
    diffusers-env/bin/pip install torch==2.15.0 diffusers==0.42.1 transformers==5.23.0 accelerate
    python3 -m venv openvino-env
    openvino-env/bin/pip install openvino==2026.4.1 torch==2.15.0 diffusers==0.42.1 \\
        transformers==5.23.0 accelerate
    diffusers-env/bin/python tests/tools/make_full_checkpoint.py --out full.ckpt --out full-diffusers
    python3 scripts/bench_peers.py evaluations --sd build/sd --ckpt full.ckpt \\
        --diffusers full-diffusers --diffusers-python diffusers-env/bin/python \\
        --openvino-python openvino-env/bin/python --openvino-ir full-openvino \\
        --dtype f32 --dtype bf16 --rounds 5

Leave a peer's --…-python out and it is not measured. The first run exports the weights for OpenVINO.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from measured_run import Measurement, Server, parse_timing, run_measured

PROMPT = "a photograph of an astronaut riding a horse"
SCALE = "7.5"
HERE = Path(__file__).resolve().parent
PARTS = {"unet": "UNet evaluation, s", "vae": "VAE decode, s"}


def sd_options(args: argparse.Namespace, dtype: str) -> list[str]:
    """What `sd bench` and `sd txt2img` both take."""
    options = {"--ckpt": args.ckpt, "--prompt": PROMPT, "--scale": SCALE, "--size": args.size}
    options |= {"--device": "cpu", "--dtype": dtype, "--threads": args.threads}
    return [str(word) for pair in options.items() for word in pair] + args.sd_arg


def peer_options(args: argparse.Namespace, dtype: str) -> list[str]:
    options = {"--model": args.diffusers, "--size": args.size, "--dtype": dtype}
    return [str(word) for pair in (options | {"--threads": args.threads}).items() for word in pair]


def diffusers_command(args: argparse.Namespace, verb: str, dtype: str) -> list[str]:
    runner = [args.diffusers_python, HERE / "diffusers_runner.py", verb]
    return [*map(str, runner), *peer_options(args, dtype)]


def openvino_command(args: argparse.Namespace, verb: str, dtype: str) -> list[str]:
    runner = [args.openvino_python, HERE / "openvino_peer.py", verb, "--ir", args.openvino_ir]
    return [*map(str, runner), *peer_options(args, dtype)]


def serve_commands(args: argparse.Namespace, dtype: str) -> dict[str, list[str]]:
    """By program: what evaluates on demand."""
    commands = {"sd": [str(args.sd), "bench", "--wait", *sd_options(args, dtype)]}
    if args.openvino_python:
        commands["OpenVINO"] = openvino_command(args, "serve", dtype)
    if args.diffusers_python:
        commands["diffusers"] = diffusers_command(args, "serve", dtype)
    return commands


def draw_commands(args: argparse.Namespace, dtype: str, folder: str) -> dict[str, list[str]]:
    """By program: what draws a picture from nothing."""
    sd = [str(args.sd), "txt2img", "-v", "--n_samples", "1", "--n_iter", "1", "--skip_grid"]
    sd += ["--steps", str(args.steps), "--outdir", folder, *sd_options(args, dtype)]
    peers = ["--steps", str(args.steps), "--prompt", PROMPT, "--scale", SCALE]
    commands = {"sd": sd}
    if args.openvino_python:
        out = ["--out", f"{folder}/openvino.png"]
        commands["OpenVINO"] = [*openvino_command(args, "draw", dtype), *peers, *out]
    if args.diffusers_python:
        out = ["--out", f"{folder}/diffusers.png"]
        commands["diffusers"] = [*diffusers_command(args, "draw", dtype), *peers, *out]
    return commands


def in_turn(names: list[str], round_number: int) -> list[str]:
    """All of them, another one first in each round, so that none profits from its place."""
    first = round_number % len(names)
    return names[first:] + names[:first]


@contextlib.contextmanager
def served(args: argparse.Namespace, dtype: str) -> Iterator[dict[str, Server]]:
    """All programs, loaded and warm. They are loaded one after the other."""
    servers: dict[str, Server] = {}
    try:
        for name, command in serve_commands(args, dtype).items():
            servers[name] = Server(command, args.threads, args.limit)
            for part in args.part:
                servers[name].ask(part)
        yield servers
    finally:
        for server in servers.values():
            server.close()


def measure_evaluations(args: argparse.Namespace, dtype: str) -> dict:
    """seconds[part][program] of all rounds, limits of the CPU, and each program's peak memory."""
    with served(args, dtype) as servers:
        names = list(servers)
        seconds: dict = {part: {name: [] for name in names} for part in args.part}
        found: dict = {"seconds": seconds, "limit": [], "gflop": {}, "peak_rss": {}}
        for number in range(args.rounds):
            found["limit"].append((servers["sd"].ask("limit")[dtype] or {}).get("gflops"))
            for part in args.part:
                for name in in_turn(names, number):
                    answer = servers[name].ask(part)
                    seconds[part][name].append(answer["seconds"])
                    found["peak_rss"][name] = answer["peak_rss"] / 2**30
                    if "gflop" in answer:
                        found["gflop"][part] = answer["gflop"]
                told = ", ".join(f"{name} {seconds[part][name][-1]:.3f} s" for name in names)
                print(f"{dtype} {number + 1}/{args.rounds} {part}: {told}", file=sys.stderr)
    return found


def ratios(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Of each round."""
    of_rounds = [our / their for our, their in zip(ours, theirs)]
    return {"median": statistics.median(of_rounds), "min": min(of_rounds), "max": max(of_rounds)}


def ratio_text(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.3f} ({ratio['min']:.3f}–{ratio['max']:.3f})"


def compared(values: dict[str, list[float]]) -> dict:
    """Medians, and how `sd` stands to each other program."""
    peers = [name for name in values if name != "sd"]
    return {
        "median": {name: statistics.median(each) for name, each in values.items()},
        "ratio": {name: ratios(values["sd"], values[name]) for name in peers},
    }


def print_table(title: str, rows: dict[str, dict]) -> None:
    """A Markdown table; a row without ratios has empty cells there."""
    names = list(next(iter(rows.values()))["median"])
    peers = [name for name in names if name != "sd"]
    print(f"\n| {' | '.join([title, *names, *(f'sd to {peer}' for peer in peers)])} |")
    print("|---|" + "---:|" * (len(names) + len(peers)))
    for row, cells in rows.items():
        medians = cells["median"]
        texts = [f"{medians[name]:.3f}" if name in medians else "" for name in names]
        found = cells.get("ratio", {})
        texts += [ratio_text(found[peer]) if peer in found else "" for peer in peers]
        print(f"| {row} | {' | '.join(texts)} |")


def compare_evaluations(args: argparse.Namespace, dtype: str) -> dict[str, dict]:
    found = measure_evaluations(args, dtype)
    rows = {PARTS[part]: compared(found["seconds"][part]) for part in args.part}
    rows["peak memory, GiB"] = compared({name: [rss] for name, rss in found["peak_rss"].items()})
    for part in args.part:
        share = {}
        for name, each in found["seconds"][part].items():
            pairs = [pair for pair in zip(each, found["limit"]) if pair[1]]
            if pairs:
                flop = found["gflop"][part]
                share[name] = statistics.median(flop / second / most for second, most in pairs)
        rows[f"share of the limit, {part}"] = {"median": share}
    return rows


def measure_draw(name: str, command: list[str], args: argparse.Namespace) -> Measurement:
    stdout, stderr, usage = run_measured(command, args.threads, args.limit)
    timing = parse_timing(stderr) if name == "sd" else json.loads(stdout.splitlines()[-1])
    return Measurement(
        timing["load"], timing["sample"], int(timing["evals"]), timing["decode"], usage
    )


DRAW_ROWS: dict[str, Callable[[Measurement], float]] = {
    "whole picture, s": lambda run: run.usage.wall,
    "load, s": lambda run: run.load,
    "a step, s": lambda run: run.per_eval,
    "decode and file, s": lambda run: run.decode,
    "cores used": lambda run: run.usage.cores,
    "peak memory, GiB": lambda run: run.usage.peak_rss,
    "peak anonymous memory, GiB": lambda run: run.usage.peak_anonymous,
}


def compare_pictures(args: argparse.Namespace, dtype: str) -> dict[str, dict]:
    runs: dict[str, list[Measurement]] = {}
    # The first round fills the page cache, and OpenVINO's folder of compiled models.
    for number in range(-1, args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            commands = draw_commands(args, dtype, folder)
            for name in in_turn(list(commands), number % len(commands)):
                run = measure_draw(name, commands[name], args)
                told = f"{run.usage.wall:.2f} s, {run.usage.cores:.2f} cores"
                print(f"{dtype} {number + 1}/{args.rounds} {name}: {told}", file=sys.stderr)
                if number >= 0:
                    runs.setdefault(name, []).append(run)
    ordered = {name: runs[name] for name in ("sd", "OpenVINO", "diffusers") if name in runs}
    return {
        row: compared({name: [value(run) for run in each] for name, each in ordered.items()})
        for row, value in DRAW_ROWS.items()
    }


def export_openvino(args: argparse.Namespace) -> None:
    """Once for each size."""
    subprocess.run(openvino_command(args, "export", "f32"), check=True, stdout=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("mode", choices=["evaluations", "pictures"])
    add("--sd", type=Path, metavar="BINARY", default=Path("build/sd"), help="(default: build/sd)")
    add("--ckpt", metavar="FILE", required=True, help="what sd loads")
    add("--diffusers", type=Path, metavar="DIR", help="the same weights, for the other programs")
    add("--diffusers-python", metavar="PYTHON", help="of the environment with diffusers")
    add("--openvino-python", metavar="PYTHON", help="of the environment with openvino")
    add(
        "--openvino-ir",
        type=Path,
        metavar="DIR",
        help="exported models, kept (default: the --diffusers folder with -openvino)",
    )
    add("--dtype", choices=["f32", "bf16"], action="append", help="may be repeated (default: f32)")
    add("--part", choices=list(PARTS), action="append", help="may be repeated (default: both)")
    add("--rounds", type=int, default=5, help="(default: 5)")
    add("--steps", type=int, default=20, help="of a picture (default: 20)")
    add("--size", type=int, default=512, help="side of the picture in pixels (default: 512)")
    cores = len(os.sched_getaffinity(0))
    add("--threads", type=int, default=cores, help="of each program (default: all cores)")
    add("--limit", type=float, default=3600, metavar="S", help="seconds one may take (3600)")
    add("--sd-arg", action="append", default=[], metavar="ARG", help="for sd, as --sd-arg=--ema")
    add("--json", action="store_true", help="a JSON object on stdout instead of tables")
    args = parser.parse_args()
    args.sd = args.sd.resolve()
    args.dtype = args.dtype or ["f32"]
    args.part = args.part or list(PARTS)
    if (args.diffusers_python or args.openvino_python) and not args.diffusers:
        parser.error("other programs need their weights: --diffusers DIR")
    if args.rounds < 1:
        parser.error("--rounds: expected 1 at least")
    if args.openvino_python and not args.openvino_ir:
        args.openvino_ir = args.diffusers.with_name(args.diffusers.name + "-openvino")
    return args


def main() -> None:
    args = parse_arguments()
    if args.openvino_python:
        export_openvino(args)
    compare = compare_evaluations if args.mode == "evaluations" else compare_pictures
    tables = {}
    for dtype in args.dtype:
        tables[dtype] = compare(args, dtype)
        if not args.json:
            print_table(f"{dtype}, median of {args.rounds}", tables[dtype])
    if args.json:
        print(json.dumps(tables))


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, TimeoutError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench_peers: {error}")
