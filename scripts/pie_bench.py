#!/usr/bin/env python3
"""Edits and measures PIE-Bench (arXiv:2310.01506: 700 pictures with prompts, words and masks) with
`sd swap`. Needs the benchmark's own data, a folder with mapping_file.json and annotation_images/,
and a real checkpoint; nothing is downloaded.

    python3 scripts/pie_bench.py tasks --data PIE-Bench --invert direct > tasks.jsonl
    build/sd swap --ckpt v1-4.safetensors --from-file tasks.jsonl --outdir pie --resume --json > done.jsonl
    python3 scripts/pie_bench.py measure --data PIE-Bench --done done.jsonl

Settings are those of the paper's Prompt-to-Prompt: 50 steps, scale 7.5, cross-attention to 0.4 and
self-attention to 0.6 of the steps, a blend on the edited words and a weight of 2 on the new one;
--option NAME=VALUE adds to a task or changes it. Measured are PSNR, MSE and SSIM outside the masks; with
--lpips, --clip DIR, --dino DIR also what needs those networks' weights. Needs numpy and Pillow.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from edit_measures import Perceptual, mse, psnr, ssim

SIDE = 512  # of the benchmark's pictures and masks
SETTINGS = {
    "mode": "p2p",
    "ddim_steps": 50,
    "scale": 7.5,
    "cross_steps": ["0:0.4"],
    "self_steps": "0:0.6",
    "n_samples": 1,
    "seed": 1234,
}
NEW_WORD_WEIGHT = 2


class Edit:
    """One entry of the mapping file."""

    def __init__(self, key: str, entry: dict) -> None:
        self.key = key
        try:
            self.kind = str(entry["editing_type_id"])
            self.picture = str(entry["image_path"])
            self.source = plain(entry["original_prompt"])
            self.target = plain(entry["editing_prompt"])
            self.words = str(entry["blended_word"]).split()
            self.runs = [int(value) for value in entry["mask"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"mapping_file.json: entry '{key}': {error!r}") from error

    def mask(self) -> np.ndarray:
        """[512,512], 1 where the picture is to be edited, and along the border, where the annotation
        errs."""
        mask = np.zeros(SIDE * SIDE)
        if len(self.runs) % 2 != 0:
            raise ValueError(f"entry '{self.key}': its mask is no pairs of start and length")
        for start, length in zip(self.runs[::2], self.runs[1::2]):
            if not 0 <= start <= mask.size or length < 0:
                raise ValueError(f"entry '{self.key}': a run of its mask begins at {start}")
            mask[start : start + length] = 1
        mask = mask.reshape(SIDE, SIDE)
        mask[[0, -1], :] = 1
        mask[:, [0, -1]] = 1
        return mask


def plain(prompt: str) -> str:
    """Without the brackets around what is edited."""
    return str(prompt).replace("[", "").replace("]", "")


def edits_of(data: Path, kinds: list[str]) -> list[Edit]:
    """The edits of the chosen kinds ("0" to "9"), in the file's order."""
    entries = json.loads((data / "mapping_file.json").read_text(encoding="utf-8"))
    edits = [Edit(key, entry) for key, entry in entries.items()]
    return [edit for edit in edits if not kinds or edit.kind in kinds]


def task_of(edit: Edit, args: argparse.Namespace) -> dict:
    """The task of `sd swap` that edits one picture."""
    task = {
        "init_img": str(args.data / "annotation_images" / edit.picture),
        "sprompt": edit.source,
        "prompt": edit.target,
        "invert": args.invert,
    } | SETTINGS
    if len(edit.words) == 2:
        # A word may be missing from a prompt by mistake of the annotation: then there is no blend.
        old, new = edit.words
        if old in edit.source.split() and new in edit.target.split():
            task["local_blend"] = [old, new]
            task["reweight"] = [f"{new}={NEW_WORD_WEIGHT}"]
    for option in args.option:
        name, _, value = option.partition("=")
        if value == "none":
            task.pop(name, None)
        else:
            task[name] = value or True
    return task


def write_tasks(args: argparse.Namespace) -> None:
    for edit in edits_of(args.data, args.kind):
        print(json.dumps(task_of(edit, args)))


def drawn_pictures(path: Path) -> dict[int, Path]:
    """The picture of each task that is done, by the task's number, from what `sd --json` printed."""
    pictures = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            if told.get("kind") == "task" and told["status"] in ("done", "skipped"):
                pictures[told["task"]] = Path(told["pictures"][0])
    return pictures


def read_picture(path: Path) -> np.ndarray:
    """[512,512,3] in 0 to 1."""
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        if picture.size != (SIDE, SIDE):
            raise ValueError(f"{path} is {picture.size[0]}x{picture.size[1]}, expected {SIDE}x{SIDE}")
        return np.asarray(picture, dtype=np.float64) / 255


def measures_of(
    edit: Edit, before: np.ndarray, after: np.ndarray, networks: Perceptual
) -> dict[str, float | None]:
    """All measures of one edit; None where there is nothing to measure or nothing to measure it
    with."""
    mask = edit.mask()
    outside = 1 - mask
    has_outside = bool(outside.any())

    def of(measure: Callable[..., float | None]) -> float | None:
        return measure(before, after, outside) if has_outside else None

    return {
        "structure_distance": networks.structure(before, after),
        "psnr_unedit_part": of(psnr),
        "lpips_unedit_part": of(networks.lpips),
        "mse_unedit_part": of(mse),
        "ssim_unedit_part": of(ssim),
        "clip_similarity_source_image": networks.clip(before, edit.source),
        "clip_similarity_target_image": networks.clip(after, edit.target),
        "clip_similarity_target_image_edit_part": networks.clip(after, edit.target, mask),
    }


def measured(args: argparse.Namespace) -> Iterator[tuple[Edit, dict[str, float | None]]]:
    pictures = drawn_pictures(args.done)
    networks = Perceptual(args.lpips, args.clip, args.dino)
    for number, edit in enumerate(edits_of(args.data, args.kind)):
        if number not in pictures:
            print(f"pie_bench: {edit.key}: no picture was drawn", file=sys.stderr)
            continue
        before = read_picture(args.data / "annotation_images" / edit.picture)
        yield edit, measures_of(edit, before, read_picture(pictures[number]), networks)


def write_measures(args: argparse.Namespace) -> None:
    """A line of JSON an edit with --each, then a table: mean, standard error, number of edits."""
    found: dict[str, list[float]] = {}
    for edit, values in measured(args):
        if args.each:
            print(json.dumps({"id": edit.key, "kind": edit.kind} | values))
        for name, value in values.items():
            if value is not None and math.isfinite(value):
                found.setdefault(name, []).append(value)
    if not found:
        raise ValueError(f"{args.done}: none of its pictures is of this benchmark")
    print("| measure | mean | standard error | edits |\n|---|---:|---:|---:|")
    for name, values in found.items():
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        print(f"| {name} | {statistics.mean(values):.5g} | {error:.2g} | {len(values)} |")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    tasks = commands.add_parser("tasks", help="print the list for `sd swap --from-file`")
    tasks.add_argument("--invert", default="direct", help="the inversion (default: direct)")
    tasks.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of every task; =none takes one out; may be repeated",
    )
    tasks.set_defaults(act=write_tasks)
    measure = commands.add_parser("measure", help="print the measures of what was drawn")
    measure.add_argument("--done", type=Path, required=True, help="what `sd swap --json` printed")
    measure.add_argument("--each", action="store_true", help="also a line of JSON for each edit")
    measure.add_argument("--lpips", action="store_true", help="with torchmetrics and its weights")
    measure.add_argument("--clip", type=Path, metavar="DIR", help="a CLIP of transformers")
    measure.add_argument("--dino", type=Path, metavar="DIR", help="DINO ViT-B/8 of transformers")
    measure.set_defaults(act=write_measures)
    for command in (tasks, measure):
        command.add_argument("--data", type=Path, required=True, help="the benchmark's folder")
        command.add_argument(
            "--kind", action="append", default=[], help="an editing type, 0 to 9 (default: all)"
        )
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    args.act(args)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"pie_bench: {error}")
