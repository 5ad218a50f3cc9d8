#!/usr/bin/env python3
"""Runs the benchmark scripts from end to end with the tiny model: bench_peers.py, both modes,
bench_control.py, bench_editing.py and bench_growth.py.

`sd` alone is measured with what the build made. Where an environment with diffusers is at hand
(SD_DIFFUSERS_PYTHON, else .venv/bin/python in the sources), tests/tools/make_full_checkpoint.py writes
the weights and diffusers is measured too; with SD_OPENVINO_PYTHON OpenVINO as well.

    bench_test.py BUILD_FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TINY_CONFIG = ROOT / "tests" / "data" / "tiny-v1.yaml"
SMALL = ["--size", "128", "--threads", "1"]


def run(*command: object) -> str:
    """Its stdout; what it said is shown where it fails."""
    words = [str(word) for word in command]
    finished = subprocess.run(words, capture_output=True, text=True)
    if finished.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {finished.returncode}:\n{finished.stderr}")
    return finished.stdout


def expect(holds: bool, what: object) -> None:
    if not holds:
        sys.exit(f"unexpected: {what}")


def bench_peers(mode: str, *options: object) -> dict:
    script = ROOT / "scripts" / "bench_peers.py"
    tables = json.loads(
        run(sys.executable, script, mode, "--rounds", "1", "--steps", "2", "--json", *SMALL, *options)
    )
    for rows in tables.values():
        for name, row in rows.items():
            expect(all(value >= 0 for value in row["median"].values()), (mode, name, row))
    return tables


def measure(sd: Path, checkpoint: Path, peers: list[object], programs: set[str]) -> None:
    """Both modes, with `programs` in the tables and their ratios."""
    given = ["--sd", sd, "--ckpt", checkpoint, *peers]
    evaluations = bench_peers("evaluations", "--dtype", "f32", "--dtype", "bf16", *given)
    expect(list(evaluations) == ["f32", "bf16"], evaluations)
    pictures = bench_peers("pictures", *given)
    for table, row in [
        (evaluations["bf16"], "UNet evaluation, s"),
        (evaluations["f32"], "VAE decode, s"),
        (pictures["f32"], "whole picture, s"),
        (pictures["f32"], "peak memory, GiB"),
    ]:
        expect(set(table[row]["median"]) == programs, (row, table[row]))
        expect(set(table[row]["ratio"]) == programs - {"sd"}, (row, table[row]))
        for ratio in table[row]["ratio"].values():
            expect(0 < ratio["min"] <= ratio["median"] <= ratio["max"], (row, ratio))


def control(sd: Path, checkpoint: Path) -> None:
    """Its table; the tiny model keeps none of the promises that the script holds full size to."""
    words = ["--ckpt", checkpoint, "--repeats", "1", "--steps", "2", *SMALL]
    script = ROOT / "scripts" / "bench_control.py"
    finished = subprocess.run(
        [str(word) for word in [sys.executable, script, "--sd", sd, *words]],
        capture_output=True,
        text=True,
    )
    expect(finished.returncode == 0 or "more than promised" in finished.stderr, finished.stderr)
    expect("| swap |" in finished.stdout and "| attn |" in finished.stdout, finished.stdout)


def editing(sd: Path, checkpoint: Path) -> None:
    """A line for every method."""
    script = ROOT / "scripts" / "bench_editing.py"
    words = ["--ckpt", checkpoint, "--repeats", "1", "--steps", "2", "--size", "256", "--threads", "1"]
    finished = subprocess.run(
        [str(word) for word in [sys.executable, script, "--sd", sd, *words]],
        capture_output=True,
        text=True,
    )
    expect(finished.returncode == 0, finished.stderr)
    for method in ("--masactrl", "--region, by latents", "--style-aligned", "--box", "--init-img, inverted directly"):
        expect(f"| `{method}` |" in finished.stdout, finished.stdout)
    # Before one of two steps there is one evaluation, whatever the weights are.
    expect("| `--excite` | 1 |" in finished.stdout, finished.stdout)


def growth(sd: Path, checkpoint: Path) -> None:
    """Its three tables, whose last column is a number."""
    script = ROOT / "scripts" / "bench_growth.py"
    few = ["--sides", "64,128", "--batches", "1,2", "--steps", "1,2", *SMALL]
    lines = run(sys.executable, script, "--sd", sd, "--ckpt", checkpoint, *few).splitlines()
    for title in ("side", "pictures at a time", "steps"):
        head = next((i for i, line in enumerate(lines) if line.startswith(f"| {title} |")), None)
        expect(head is not None, (title, lines))
        expect(float(lines[head + 2].split("|")[-2]) > -5, lines[head + 2])


def environment(variable: str, module: str, usual: Path | None = None) -> str | None:
    """A Python that has `module`."""
    python = os.environ.get(variable) or (str(usual) if usual and usual.exists() else None)
    if python is None:
        return None
    found = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
    expect(found.returncode == 0 or variable not in os.environ, f"{python} has no {module}")
    return python if found.returncode == 0 else None


def with_peers(sd: Path, folder: Path) -> None:
    diffusers = environment("SD_DIFFUSERS_PYTHON", "diffusers", ROOT / ".venv/bin/python")
    if diffusers is None:
        print("no environment with diffusers: sd alone was measured")
        return
    checkpoint, weights = folder / "tiny.ckpt", folder / "tiny-diffusers"
    maker = ROOT / "tests" / "tools" / "make_full_checkpoint.py"
    run(diffusers, maker, "--sizes", TINY_CONFIG, "--out", checkpoint, "--out", weights, "--check")
    checkpoint.with_suffix(".yaml").write_text(TINY_CONFIG.read_text())
    peers: list[object] = ["--diffusers", weights, "--diffusers-python", diffusers]
    programs = {"sd", "diffusers"}
    openvino = environment("SD_OPENVINO_PYTHON", "openvino")
    if openvino is not None:
        peers += ["--openvino-python", openvino]
        programs.add("OpenVINO")
    measure(sd, checkpoint, peers, programs)


def main() -> None:
    build = Path(sys.argv[1])
    sd, tiny = build / "sd", build / "tests" / "data" / "tiny-v1.ckpt"
    measure(sd, tiny, [], {"sd"})
    control(sd, tiny)
    editing(sd, tiny)
    growth(sd, tiny)
    with tempfile.TemporaryDirectory() as folder:
        with_peers(sd, Path(folder))


if __name__ == "__main__":
    main()
