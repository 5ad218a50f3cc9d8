#!/usr/bin/env python3
"""scripts/pie_bench.py on a made benchmark of PIE-Bench's layout: the tasks it writes, that `sd swap`
takes them, and its measures beside values of torchmetrics 1.8 on the same pictures.

    pie_bench_test.py BUILD     exits with 77 where numpy or Pillow is missing
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(f"not run: {error} (Debian: python3-numpy, python3-pil)")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
SIDE = 512
ENTRIES = {
    "000000000000": {
        "image_path": "1_change_object_80/0.jpg",
        "original_prompt": "a [red] apple on a table",
        "editing_prompt": "a [green] apple on a table",
        "editing_instruction": "make the apple green",
        "editing_type_id": "1",
        "blended_word": "red green",
        "mask": [SIDE * 100 + 50, 30, SIDE * 101 + 50, 30],
    },
    "000000000001": {
        "image_path": "0_random_140/1.jpg",
        "original_prompt": "a house",
        "editing_prompt": "a house in the snow",
        "editing_instruction": "add snow",
        "editing_type_id": "0",
        "blended_word": "",
        "mask": [0, SIDE * SIDE],
    },
}


def expect(holds: bool, told: object) -> None:
    if not holds:
        sys.exit(f"pie_bench_test: {told}")


def ramps(shift: int) -> np.ndarray:
    """[512,512,3] bytes."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    planes = [(3 * columns + 5 * rows + 40 * channel + shift) % 256 for channel in range(3)]
    return np.stack(planes, axis=2).astype(np.uint8)


def made_benchmark(folder: Path) -> None:
    (folder / "mapping_file.json").write_text(json.dumps(ENTRIES))
    for entry in ENTRIES.values():
        path = folder / "annotation_images" / entry["image_path"]
        path.parent.mkdir(parents=True)
        Image.fromarray(ramps(0)).save(path, format="PNG")


def script(*words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / "pie_bench.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def table_of(text: str) -> dict[str, list[str]]:
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def tasks_are_swaps(data: Path) -> None:
    lines = script("tasks", "--data", data).stdout.splitlines()
    first, second = (json.loads(line) for line in lines)
    expect(first["sprompt"] == "a red apple on a table", first)
    expect(first["local_blend"] == ["red", "green"] and first["reweight"] == ["green=2"], first)
    expect(first["invert"] == "direct" and "local_blend" not in second, second)
    chosen = script("tasks", "--data", data, "--kind", "0", "--option", "ddim_steps=3")
    expect(json.loads(chosen.stdout)["ddim_steps"] == "3", chosen.stdout)


def drawing_takes_them(data: Path, build: Path) -> None:
    """On the tiny model, small; what is drawn is not of the benchmark's size."""
    tasks = data / "tasks.jsonl"
    made = script("tasks", "--data", data, "--option", "ddim_steps=3", "--option", "W=64", "--option", "H=64")
    tasks.write_text(made.stdout)
    model = build / "tests" / "data" / "tiny-v1.ckpt"
    words = ["swap", "--ckpt", model, "--from-file", tasks, "--outdir", data / "out", "--json", "-q"]
    drawn = subprocess.run([build / "sd", *words], capture_output=True, text=True)
    expect(drawn.returncode == 0, drawn.stderr)
    kinds = [json.loads(line)["kind"] for line in drawn.stdout.splitlines()]
    expect(kinds.count("task") == 2, kinds)
    done = data / "drawn.jsonl"
    done.write_text(drawn.stdout)
    refused = script("measure", "--data", data, "--done", done)
    expect("64x64, expected 512x512" in refused.stderr, refused.stderr)


def measures_are_torchmetrics(data: Path) -> None:
    """The second edit's mask is everything: nothing is outside of it."""
    lines = []
    for number in range(2):
        path = data / f"{number}.png"
        Image.fromarray(ramps(7 * (number + 1))).save(path)
        lines.append({"kind": "task", "task": number, "status": "done", "pictures": [str(path)]})
    done = data / "done.jsonl"
    done.write_text("\n".join(map(json.dumps, lines)))
    told = script("measure", "--data", data, "--done", done)
    expect(told.returncode == 0, told.stderr)
    table = table_of(told.stdout)
    for name, value in VALUES.items():
        found = table[f"{name}_unedit_part"]
        expect(abs(float(found[0]) / value - 1) < 1e-4 and found[2] == "1", (name, found, value))


def bad_files_are_named(data: Path) -> None:
    broken = dict(ENTRIES["000000000000"])
    del broken["mask"]
    (data / "mapping_file.json").write_text(json.dumps({"7": broken}))
    told = script("tasks", "--data", data)
    expect(told.returncode != 0 and "entry '7'" in told.stderr, told.stderr)
    missing = script("tasks", "--data", data / "nowhere")
    expect(missing.returncode != 0 and "mapping_file.json" in missing.stderr, missing.stderr)


# PeakSignalNoiseRatio, MeanSquaredError and StructuralSimilarityIndexMeasure (data range 1) of the
# first edit's pictures, both black under its mask.
VALUES = {"psnr": 15.753303, "mse": 0.0265870, "ssim": 0.832053}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        made_benchmark(data)
        tasks_are_swaps(data)
        drawing_takes_them(data, Path(sys.argv[1]).resolve())
        measures_are_torchmetrics(data)
        bad_files_are_named(data)


if __name__ == "__main__":
    main()
