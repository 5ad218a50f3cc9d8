"""What the checks of scripts/gpu/check.py share: running commands within a time, tests, models."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

PROMPT = "a red apple above a blue car"
LISTED_FAILURES = 40


@dataclasses.dataclass
class Done:
    """A finished command."""

    code: int | None  # None: it ran out of time
    seconds: float
    output: str  # stdout, then stderr


class Checks:
    """What a check needs to know, and the report that it fills."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.root: Path = args.root.resolve()
        self.sd: Path = args.sd.resolve()
        self.out: Path = args.out.resolve()
        self.device: str = args.device
        self.deadline = time.monotonic() + 60 * args.minutes
        self.report: dict[str, object] = {}
        self.scratch = self.sd / "scratch"
        self.scratch.mkdir(exist_ok=True)

    def run(
        self, command: list[object], limit: float, env: dict[str, str] | None = None
    ) -> Done:
        """Runs a command for `limit` seconds at most, and no longer than the whole has left."""
        words = [str(word) for word in command]
        limit = max(1.0, min(limit, self.deadline - time.monotonic()))
        began = time.monotonic()
        try:
            result = subprocess.run(
                words,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit,
                env={"SD_GPU_KERNELS": "on"} | os.environ | (env or {}),
            )
            code, output = result.returncode, result.stdout + result.stderr
        except subprocess.TimeoutExpired as late:
            code = None
            output = "".join(
                part.decode(errors="replace") for part in (late.stdout, late.stderr) if part
            )
        done = Done(code, time.monotonic() - began, output)
        with (self.out / "log.txt").open("a") as log:
            log.write(f"$ {' '.join(words)}\n{output}\n[{code}, {done.seconds:.1f} s]\n\n")
        return done

    def draw(
        self, *options: object, command: str = "txt2img", limit: float = 60, **env: str
    ) -> Done:
        """`sd COMMAND --device … OPTIONS`."""
        sd = self.sd / "build" / "sd"
        device = [] if "--device" in options else ["--device", self.device]
        return self.run([sd, command, *device, *options], limit, env)

    @property
    def gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def demo(self) -> list[object]:
        folder = self.root / "models" / "demo"
        return ["--ckpt", folder / "model.safetensors", "--config", folder / "model.yaml"]


def tests(
    checks: Checks, name: str, limit: float, environment: dict[str, str], only: str = "*"
) -> dict:
    """Runs a GoogleTest program: counts, and what failed with its first lines."""
    results = checks.out / f"{name}.json"
    output = [f"--gtest_output=json:{results}", f"--gtest_filter={only}"]
    done = checks.run(
        [checks.sd / "tests" / name, *output],
        limit,
        {"SD_TEST_DATA_DIR": str(checks.sd / "data")} | environment,
    )
    found: dict[str, object] = {"seconds": done.seconds, "code": done.code}
    if not results.is_file():
        # It crashed or ran out of time: the last test that began, and what was said, without the stack.
        said = [line for line in done.output.splitlines() if not line.startswith("frame #")]
        return found | {"failed": 1, "output": "\n".join(said)[-3000:]}
    content = json.loads(results.read_text())
    failures, properties, skipped = {}, {}, 0
    for suite in content["testsuites"]:
        for case in suite["testsuite"]:
            label = f"{suite['name']}.{case['name']}"
            skipped += case.get("result") == "SKIPPED"
            if "failures" in case:
                failures[label] = case["failures"][0]["failure"][:400]
            for key in case.keys() - KNOWN_KEYS:
                properties[f"{label} {key}"] = case[key]
    results.unlink()
    return found | {
        "ran": content["tests"] - skipped,
        "skipped": skipped,
        "failed": len(failures),
        "failures": dict(list(failures.items())[:LISTED_FAILURES]),
        "properties": properties,
    }


KNOWN_KEYS = {
    *("name", "file", "line", "status", "result", "timestamp", "time", "classname", "failures"),
    *("value_param", "type_param", "skipped"),
}


def digest(folder: Path) -> str:
    """One hash of every picture in a folder."""
    total = hashlib.sha256()
    for picture in sorted(folder.rglob("*.png")):
        total.update(picture.read_bytes())
    return total.hexdigest()[:16] if any(folder.rglob("*.png")) else "no picture"


def full_checkpoint(checks: Checks) -> Path:
    """A seeded model of the real size, in half precision."""
    path = checks.scratch / "full.ckpt"
    if not path.is_file():
        tool = checks.root / "tests" / "tools" / "make_full_checkpoint.py"
        device = ["--device", checks.device]
        made = checks.run([sys.executable, tool, "--out", path, "--dtype", "f16", *device], 200)
        if made.code != 0:
            path.unlink(missing_ok=True)
            raise RuntimeError(f"no checkpoint of full size: {made.output[-600:]}")
    return path


def full_model(checks: Checks) -> list[object]:
    """Options for a model of full size at 512x512; without a GPU, which tries the scripts, the demo's."""
    return ["--ckpt", full_checkpoint(checks), "--size", 512] if checks.gpu else checks.demo


def gpu_count(checks: Checks) -> int:
    if not checks.gpu:
        return 0
    return len([line for line in checks.run(["nvidia-smi", "-L"], 20).output.splitlines() if "UUID" in line])
