#!/usr/bin/env python3
"""Measures `sd txt2img --plms` beside diffusers (eager) on the same weights, in alternation, and
prints their ratio.

Each draw runs in a process of its own with the same number of threads: 512x512, guidance 7.5 (so
the UNet sees a batch of 2), PLMS. Steps that divide 1000 make as many UNet evaluations in both (one
more than steps); seconds are given per evaluation. "load" is the time until the model is ready,
without the start of Python (given apart); "peak RSS" is what the kernel counted for the process, in
which the mapped pages of a weight file are included; "peak anonymous" leaves those out (sampled 20
times a second). Other load on the machine slows both: "cores used" (CPU seconds per second) well
below --threads shows it. Repeat, and take the median.

Weights of full size, then the measurement (needs 9 GB of disk in f32):

    python3 -m venv .venv
    .venv/bin/pip install torch==2.15.0 diffusers==0.42.1 transformers==5.23.0 accelerate
    .venv/bin/python tests/tools/make_full_checkpoint.py --out full.ckpt --out full-diffusers
    .venv/bin/python scripts/bench_peers.py --sd build/sd --ckpt full.ckpt \\
        --diffusers full-diffusers --dtype f32 --dtype bf16 --repeats 3
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROMPT = "a photograph of an astronaut riding a horse"
SCALE = 7.5
TIMING = re.compile(r"^sd: timing:(.*)$", re.MULTILINE)


@dataclasses.dataclass
class Usage:
    """What a process took of the machine."""

    wall: float  # s
    cores: float  # CPU seconds per second
    peak_rss: float  # GiB
    peak_anonymous: float  # GiB


@dataclasses.dataclass
class Measurement:
    """One draw by one program."""

    load: float  # s
    sample: float  # s, all UNet evaluations with what lies between
    evals: int
    decode: float  # s
    usage: Usage

    @property
    def per_eval(self) -> float:
        return self.sample / self.evals


class _AnonymousPeak(threading.Thread):
    """Watches the anonymous memory of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.kib = 0

    def run(self) -> None:
        while True:
            try:
                found = re.search(r"RssAnon:\s+(\d+) kB", self.status.read_text())
            except OSError:  # the process has gone
                return
            if found is None:  # a zombie has no memory
                return
            self.kib = max(self.kib, int(found[1]))
            time.sleep(0.05)


def run_measured(command: list[str], threads: int, limit: float) -> tuple[str, str, Usage]:
    """Runs a command; returns stdout, stderr and what it used. Raises RuntimeError if it fails,
    TimeoutError with what it has said so far after `limit` seconds."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        watch = _AnonymousPeak(process.pid)
        watch.start()
        expired = threading.Event()
        timer = threading.Timer(limit, lambda: (expired.set(), process.kill()))
        timer.start()
        # Not process.wait: wait4 tells this child's peak memory, not that of the largest ever.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        wall = time.monotonic() - begin
        watch.join()
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    if expired.is_set():
        raise TimeoutError(f"'{command[0]}' took more than {limit:g} s:\n{stderr[-2000:]}")
    if process.returncode != 0:
        raise RuntimeError(
            f"'{' '.join(command)}' failed ({process.returncode}):\n{stderr[-2000:]}"
        )
    cores = (usage.ru_utime + usage.ru_stime) / wall
    return stdout, stderr, Usage(wall, cores, usage.ru_maxrss / 2**20, watch.kib / 2**20)


def parse_timing(stderr: str) -> dict[str, float]:
    """The numbers of sd's line `sd: timing: load=1.2s sample=3.4s evals=5 decode=0.6s`."""
    line = TIMING.search(stderr)
    if line is None:
        raise RuntimeError(f"sd printed no 'sd: timing:' line:\n{stderr[-2000:]}")
    numbers = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", line[1])}
    missing = {"load", "sample", "evals", "decode"} - numbers.keys()
    if missing:
        raise RuntimeError(f"sd's timing line lacks {', '.join(sorted(missing))}: {line[0]}")
    return numbers


def measure_sd(args: argparse.Namespace, dtype: str) -> Measurement:
    """One picture with sd."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(args.sd.resolve()),
            "txt2img",
            "-v",
            "--plms",
            "--ckpt",
            str(args.ckpt),
            "--prompt",
            PROMPT,
        ]
        command += [
            "--ddim_steps",
            str(args.steps),
            "--H",
            str(args.size),
            "--W",
            str(args.size),
            "--scale",
            str(SCALE),
        ]
        command += [
            "--n_samples",
            "1",
            "--n_iter",
            "1",
            "--seed",
            "42",
            "--skip_grid",
            "--outdir",
            folder,
        ]
        command += [
            "--device",
            "cpu",
            "--dtype",
            dtype,
            "--threads",
            str(args.threads),
            *args.sd_arg,
        ]
        _, stderr, usage = run_measured(command, args.threads, args.limit)
    timing = parse_timing(stderr)
    return Measurement(
        timing["load"], timing["sample"], int(timing["evals"]), timing["decode"], usage
    )


def measure_diffusers(args: argparse.Namespace, dtype: str) -> Measurement:
    """One picture with diffusers."""
    command = [
        sys.executable,
        __file__,
        "--runner",
        "--diffusers",
        str(args.diffusers),
        "--dtype",
        dtype,
    ]
    command += [
        "--steps",
        str(args.steps),
        "--size",
        str(args.size),
        "--threads",
        str(args.threads),
    ]
    stdout, _, usage = run_measured(command, args.threads, args.limit)
    timing = json.loads(stdout.splitlines()[-1])
    print(f"    (import of torch and diffusers: {timing['import']:.1f} s)", file=sys.stderr)
    return Measurement(timing["load"], timing["sample"], timing["evals"], timing["decode"], usage)


def run_diffusers(args: argparse.Namespace) -> None:
    """The child process of `measure_diffusers`: draws once and prints its timings as a JSON
    line."""
    begin = time.perf_counter()
    import torch

    from diffusers_peer import Peer

    torch.set_num_threads(args.threads)
    imported = time.perf_counter()
    peer = Peer(args.diffusers, {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype[0]])
    loaded = time.perf_counter()
    noise = peer.start_noise(1, args.size, args.size, seed=42)
    drawn = peer.draw([PROMPT], noise, args.steps, SCALE, plms=True)
    sampled = time.perf_counter()
    seconds = " ".join(f"{each:.2f}" for each in drawn.unet_seconds)
    print(
        f"load {loaded - imported:.2f} s, UNet evaluations {seconds} s", file=sys.stderr, flush=True
    )
    peer.decode(drawn.latents)
    decoded = time.perf_counter()
    timing = {
        "import": imported - begin,
        "load": loaded - imported,
        "sample": sampled - loaded,
        "evals": len(drawn.unet_seconds),
        "decode": decoded - sampled,
    }
    print(json.dumps(timing))


def drop_from_cache(paths: list[Path]) -> None:
    """Asks the kernel to forget the pages of these files, or of all files in these folders."""
    for path in paths:
        for file in (
            [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
        ):
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def report(dtype: str, runs: dict[str, list[Measurement]]) -> None:
    """Prints a Markdown table of medians, with sd/diffusers where both ran."""
    rows = {
        "load, s": lambda run: run.load,
        "per UNet evaluation, s": lambda run: run.per_eval,
        "decode, s": lambda run: run.decode,
        "whole process, s": lambda run: run.usage.wall,
        "cores used": lambda run: run.usage.cores,
        "peak RSS, GiB": lambda run: run.usage.peak_rss,
        "peak anonymous, GiB": lambda run: run.usage.peak_anonymous,
        "UNet evaluations": lambda run: float(run.evals),
    }
    names = list(runs)
    print(
        f"\n| {dtype}, median of {min(map(len, runs.values()))} | {' | '.join(names)} |"
        + (" ratio |" if len(names) == 2 else "")
    )
    print("|---|" + "---:|" * (len(names) + (len(names) == 2)))
    for title, value in rows.items():
        medians = [statistics.median(map(value, runs[name])) for name in names]
        cells = [
            f"{median:.0f}" if title == "UNet evaluations" else f"{median:.2f}"
            for median in medians
        ]
        if len(medians) == 2:
            cells.append(f"{medians[0] / medians[1]:.3f}")
        print(f"| {title} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sd", type=Path, metavar="BINARY", help="build/sd; without it only diffusers is measured"
    )
    parser.add_argument("--ckpt", type=Path, metavar="FILE", help="what sd loads")
    parser.add_argument(
        "--diffusers",
        type=Path,
        metavar="DIR",
        help="folder of the same weights; without it only sd is measured",
    )
    parser.add_argument(
        "--dtype", choices=["f32", "bf16"], action="append", help="may be repeated (default: f32)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=4,
        help="PLMS steps (default: 4, which makes 5 UNet evaluations)",
    )
    parser.add_argument(
        "--size", type=int, default=512, help="side of the picture in pixels (default: 512)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="of both (default: all cores)",
    )
    parser.add_argument("--repeats", type=int, default=3, help="draws of each (default: 3)")
    parser.add_argument(
        "--limit",
        type=float,
        default=3600,
        metavar="S",
        help="seconds one draw may take (default: 3600)",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="drop the weight files from the page cache before each draw",
    )
    parser.add_argument(
        "--sd-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="one more for sd, as --sd-arg=--ema",
    )
    parser.add_argument("--runner", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.dtype = args.dtype or ["f32"]
    if args.runner:
        run_diffusers(args)
        return
    programs = {}
    if args.sd:
        if args.ckpt is None:
            parser.error("--sd needs --ckpt")
        programs["sd"] = measure_sd
    if args.diffusers:
        programs["diffusers"] = measure_diffusers
    if not programs:
        parser.error("give --sd with --ckpt, --diffusers, or all three")

    for dtype in args.dtype:
        runs: dict[str, list[Measurement]] = {name: [] for name in programs}
        for repeat in range(args.repeats):
            # Who goes first changes with every repeat, so that neither profits from it.
            for name in list(programs)[:: 1 if repeat % 2 == 0 else -1]:
                if args.cold:
                    drop_from_cache([path for path in (args.ckpt, args.diffusers) if path])
                run = programs[name](args, dtype)
                runs[name].append(run)
                print(
                    f"{dtype} {repeat + 1}/{args.repeats} {name}: load {run.load:.2f} s, "
                    f"{run.per_eval:.3f} s per UNet evaluation ({run.evals}), "
                    f"decode {run.decode:.2f} s, {run.usage.cores:.2f} cores, "
                    f"RSS {run.usage.peak_rss:.2f} GiB",
                    file=sys.stderr,
                )
        counts = {run.evals for results in runs.values() for run in results}
        if len(counts) > 1:
            print(
                f"note: UNet evaluations differ {sorted(counts)}: compare seconds per evaluation",
                file=sys.stderr,
            )
        report(dtype, runs)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, TimeoutError) as error:
        sys.exit(f"bench_peers: {error}")
