#!/usr/bin/env python3
"""Measures what is faster and not exact: how much time sampling takes with `--guidance-interval`,
`--deepcache` and `--tome`, and how far pictures and latents are from those without.

All draw the same prompts from the same noise, in processes of their own that take turns. Printed is
a Markdown table: time of sampling beside the exact draw's, the relative L2 distance of the final
latents (mean over pictures), and the mean and the largest difference of pixels, of 255. Fewer steps
and --dtype bf16 stand there to compare with.

Times are CPU time, the least of the repeats, so that other programs disturb them little: leave
--threads at 1, since threads that wait for one another count too. What a process takes beside
sampling is known from one that draws with a single step. Needs numpy and pillow.

    python3 -m venv .venv
    .venv/bin/pip install numpy pillow
    .venv/bin/python scripts/measure_approximations.py --sd build/sd
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

PROMPTS = [
    "a blue cat on a yellow background",
    "a red apple on a white background",
    "a rocket on a black background",
    "a dog to the left of a house",
]
EXACT = ""
VARIANTS = [
    "--guidance-interval 0.2:0.8",
    "--guidance-interval 0:0.5",
    "--deepcache 2",
    "--deepcache 3",
    "--deepcache 5",
    "--tome 0.25",
    "--tome 0.5",
    "--tome 0.75",
    "--deepcache 3 --guidance-interval 0.2:0.8",
    "--deepcache 3 --guidance-interval 0.2:0.8 --tome 0.5",
    "--steps HALF",
    "--dtype bf16",
]
ONE_STEP = "--steps 1"


@dataclass
class Drawn:
    """What one run gave: CPU seconds of the process, latents [N,4,h,w] and pictures [N,H,W,3]."""

    seconds: float
    latents: np.ndarray
    pictures: np.ndarray


def command_of(variant: str, args: argparse.Namespace, folder: Path) -> list[str]:
    """The command line of one draw; options of the variant win."""
    settings = {
        "--ddim_steps": args.steps,
        "--n_samples": args.batch,
        "--n_iter": 1,
        "--seed": 42,
        "--from-file": folder / "prompts.txt",
        "--outdir": folder / "out",
        "--save-latents": folder / "latents",
        "--device": "cpu",
        "--dtype": args.dtype,
        "--threads": args.threads,
    }
    if args.ckpt is not None:
        settings["--ckpt"] = args.ckpt
    if args.sampler is not None:
        settings["--sampler"] = args.sampler
    if args.size is not None:
        settings |= {"--W": args.size, "--H": args.size}
    own = variant.replace("HALF", str((args.steps + 1) // 2)).split()
    for option, value in zip(own[::2], own[1::2], strict=True):
        settings["--ddim_steps" if option == "--steps" else option] = value
    flat = [str(part) for pair in settings.items() for part in pair]
    return [str(args.sd.resolve()), "txt2img", "-q", "--skip_grid", *flat]


def draw(variant: str, args: argparse.Namespace) -> Drawn:
    """One draw in a folder of its own. Raises RuntimeError if it fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prompts.txt").write_text("\n".join(args.prompts) + "\n", encoding="utf-8")
        command = command_of(variant, args, folder)
        with (folder / "said").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
            # Not process.wait: wait4 tells this child's time alone.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            if process.returncode != 0:
                raise RuntimeError(f"'{' '.join(command)}' failed:\n{said.read()[-2000:]}")
        files = sorted((folder / "out" / "samples").glob("*.png"))
        pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
        seconds = usage.ru_utime + usage.ru_stime
        return Drawn(seconds, np.load(folder / "latents" / "latents.npy"), pictures)


def sampling_ratio(variant: str, runs: dict[str, list[Drawn]], steps: int) -> float:
    """Time of sampling beside the exact draw's."""
    least = {name: min(run.seconds for run in drawn) for name, drawn in runs.items()}
    step = (least[EXACT] - least[ONE_STEP]) / (steps - 1)
    rest = least[ONE_STEP] - step  # loading, the text encoder, decoding
    return (least[variant] - rest) / (least[EXACT] - rest)


def row_of(variant: str, runs: dict[str, list[Drawn]], steps: int) -> str:
    """A row of the table."""
    ours, reference = runs[variant][0], runs[EXACT][0]
    axes = (1, 2, 3)
    distance = np.sqrt(((ours.latents - reference.latents) ** 2).sum(axes))
    length = np.sqrt((reference.latents**2).sum(axes))
    pixels = np.abs(ours.pictures.astype(int) - reference.pictures.astype(int))
    return (
        f"| `{variant}` | {sampling_ratio(variant, runs, steps):.2f} "
        f"| {(distance / length).mean():.3f} "
        f"| {pixels.mean():.1f} | {pixels.max()} |"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sd", type=Path, metavar="BINARY", default=Path("build/sd"))
    parser.add_argument("--ckpt", type=Path, metavar="MODEL", help="(default: the demo model)")
    parser.add_argument("--steps", type=int, default=25, help="(default: 25)")
    parser.add_argument("--sampler", help="(default: sd's)")
    parser.add_argument("--size", type=int, help="side in pixels (default: the model's)")
    parser.add_argument("--batch", type=int, default=1, help="pictures at a time (default: 1)")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=1, help="(default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="draws of each (default: 3)")
    parser.add_argument(
        "--prompts", nargs="+", default=PROMPTS, metavar="TEXT", help="(default: four)"
    )
    parser.add_argument(
        "--only", action="append", metavar="OPTIONS", help='"--deepcache 3"; may be repeated'
    )
    args = parser.parse_args()
    if args.steps < 2:
        parser.error("--steps: at least 2, of which one is told apart from the rest")
    return args


def main() -> None:
    args = parse_arguments()
    variants = args.only or VARIANTS
    names = [EXACT, ONE_STEP, *variants]
    runs: dict[str, list[Drawn]] = {name: [] for name in names}
    for repeat in range(args.repeats):
        for variant in names[:: 1 if repeat % 2 == 0 else -1]:
            runs[variant].append(draw(variant, args))
            print(
                f"{repeat + 1}/{args.repeats} {variant or 'exact'}: "
                f"{runs[variant][-1].seconds:.2f} s of CPU time",
                file=sys.stderr,
            )
    print("| options | sampling time | latents | pixels, mean | pixels, most |")
    print("|---|---:|---:|---:|---:|")
    for variant in variants:
        print(row_of(variant, runs, args.steps).replace("HALF", str((args.steps + 1) // 2)))


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"measure_approximations: {error}")
