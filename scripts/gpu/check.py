#!/usr/bin/env python3
"""The checks of scripts/gpu/check.sh, in order of value, each with a time limit. Writes report.json
after every one, so that nothing measured is lost, and report.txt at the end."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PROMPT = "a red apple above a blue car"
TIMING = re.compile(r"timing: load=([\d.]+)s sample=([\d.]+)s evals=(\d+) decode=([\d.]+)s")
EACH = re.compile(r"picture \d+ of \d+ in ([\d.]+) s")
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
                env=os.environ | (env or {}),
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
    def demo(self) -> list[object]:
        folder = self.root / "models" / "demo"
        return ["--ckpt", folder / "model.safetensors", "--config", folder / "model.yaml"]


def tests(checks: Checks, name: str, limit: float, environment: dict[str, str]) -> dict:
    """Runs a GoogleTest program: counts, and what failed with its first lines."""
    results = checks.out / f"{name}.json"
    done = checks.run(
        [checks.sd / "tests" / name, f"--gtest_output=json:{results}", "--gtest_brief=1"],
        limit,
        {"SD_TEST_DATA_DIR": str(checks.sd / "data")} | environment,
    )
    found: dict[str, object] = {"seconds": done.seconds, "code": done.code}
    if not results.is_file():
        return found | {"failed": -1, "output": done.output[-3000:]}
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


def machine(checks: Checks) -> dict:
    """What runs here: GPU, driver, PyTorch, processor."""
    fields = "name,memory.total,driver_version,compute_cap"
    gpu = ""
    if checks.device != "cpu":
        query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
        gpu = checks.run(query, 20).output.strip()
    text = "import torch; print(torch.__version__, torch.version.cuda)"
    torch = checks.run([sys.executable, "-c", text], 60).output.strip()
    doctor = checks.run([checks.sd / "build" / "sd", "doctor", "--torch"], 60)
    return {"gpu": gpu, "torch": torch, "doctor": doctor.output, "failed": int(doctor.code != 0)}


def goldens(checks: Checks) -> dict:
    """Reference values and controls in float32 on the device."""
    return tests(checks, "test_pipeline", 240, {"SD_TEST_DEVICE": checks.device})


def families(checks: Checks) -> dict:
    """The other models of the family on the device."""
    return tests(checks, "test_families", 120, {"SD_TEST_DEVICE": checks.device})


def digest(folder: Path) -> str:
    """One hash of every picture in a folder."""
    total = hashlib.sha256()
    for picture in sorted(folder.rglob("*.png")):
        total.update(picture.read_bytes())
    return total.hexdigest()[:16] if any(folder.rglob("*.png")) else "no picture"


def latents(folder: Path) -> object:
    """What --save-latents wrote, [N,4,h,w]."""
    import numpy

    return numpy.load(next(folder.rglob("latents.npy"))).astype("float64")


def commands(checks: Checks) -> dict:
    """Commands on the demo model: each twice with the same bytes, and beside the CPU's picture."""
    photo = checks.root / "assets" / "examples" / "demo.png"
    halves = ("--dtype", "f32", "f16", "bf16")
    common = ["--seed", 7, "--rng", "cpu", "--ddim_steps", 12, "--n_samples", 2, "--n_iter", 1, "--skip_grid"]
    words = ["--prompt", PROMPT]
    cases: dict[str, tuple[str, list[object]]] = {
        "ddim": ("txt2img", words),
        "plms": ("txt2img", [*words, "--plms"]),
        "dpm++ 2m sde": ("txt2img", [*words, "--sampler", "dpmpp_2m_sde"]),
        "reweight": ("txt2img", ["--prompt", "a (red:1.6) apple", "--prompt_syntax", "a1111"]),
        "img2img": ("img2img", [*words, "--init-img", photo, "--size", 128, "--strength", 0.6]),
        "swap": ("swap", [*words, "--sprompt", PROMPT.replace("red", "green")]),
        "f16": ("txt2img", [*words, "--dtype", "f16"]),
        "bf16": ("txt2img", [*words, "--dtype", "bf16"]),
    }
    found: dict[str, object] = {"failed": 0}
    for name, (command, options) in cases.items():
        entry: dict[str, object] = {}
        folders = []
        for run in ("first", "second", "cpu"):
            folder = checks.scratch / f"{name}-{run}"
            folders.append(folder)
            used = list(options) if "--dtype" in options else [*options, "--dtype", "f32"]
            if run == "cpu":
                used = [*(word for word in used if word not in halves), "--dtype", "f32"]
                used += ["--device", "cpu"]
            drawn = checks.draw(
                *checks.demo, *used, *common, "--outdir", folder, "--save-latents", folder,
                command=command,
            )  # fmt: skip
            entry[run] = [drawn.code, round(drawn.seconds, 2)]
            if drawn.code != 0:
                entry["output"] = drawn.output[-1500:]
        entry["same bytes"] = digest(folders[0]) == digest(folders[1]) != "no picture"
        found["failed"] += int(not entry["same bytes"])
        try:
            ours, cpus = latents(folders[0]), latents(folders[2])
            entry["from cpu"] = float(abs(ours - cpus).max() / abs(cpus).max())
        except (ImportError, StopIteration, ValueError) as problem:
            entry["from cpu"] = repr(problem)
        found[name] = entry
    return found


def refusals(checks: Checks) -> dict:
    """Devices that are not there: exit 2, and what is said."""
    found: dict[str, object] = {"failed": 0}
    few = ["--prompt", PROMPT, "--ddim_steps", 1, "--outdir", checks.scratch / "refused"]
    for name, device, env in (
        ("number 9", "cuda:9", {}),
        ("hidden", "cuda", {"CUDA_VISIBLE_DEVICES": ""}),
        ("a wrong number", "cuda", {"CUDA_VISIBLE_DEVICES": "77"}),
    ):
        done = checks.draw(*checks.demo, *few, "--device", device, limit=60, **env)
        found[name] = {"code": done.code, "says": done.output[-600:]}
        found["failed"] += int(done.code != 2)
    return found


class PeakMemory:
    """The most GPU memory in use, in MiB, sampled while a block runs."""

    def __enter__(self) -> PeakMemory:
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not self._stop.wait(0.1):
            try:
                text = subprocess.run(query, capture_output=True, text=True).stdout
                self.most = max(self.most, int(text.split()[0]))
            except (OSError, ValueError, IndexError):
                return


def full_checkpoint(checks: Checks) -> Path:
    """A seeded model of the real size, in half precision."""
    path = checks.scratch / "full.ckpt"
    if not path.is_file():
        tool = checks.root / "tests" / "tools" / "make_full_checkpoint.py"
        device = ["--device", checks.device]
        checks.run([sys.executable, tool, "--out", path, "--dtype", "f16", *device], 200)
    return path


def speed(checks: Checks) -> dict:
    """Full size, 512x512: evaluations a second, decoding, loading, memory."""
    path = full_checkpoint(checks)
    found: dict[str, object] = {"failed": 0}
    # Of several pictures the first pays for what is set up once: steady is without it.
    cases = {
        "f16": ["--n_samples", 1, "--n_iter", 4],
        "f16 batch 8": ["--n_samples", 8, "--n_iter", 1],
        "bf16": ["--n_samples", 1, "--n_iter", 2],
        "f32": ["--n_samples", 1, "--n_iter", 1],
    }
    if checks.device == "cpu":
        cases = {"f32": ["--n_samples", 1, "--n_iter", 1]}
    steps = 2 if checks.device == "cpu" else 50
    for name, options in cases.items():
        pictures = options[1] * options[3]
        with PeakMemory() as memory:
            done = checks.draw(
                "--ckpt", path, "--prompt", PROMPT, "--plms", "--ddim_steps", steps, "--skip_grid",
                "--dtype", name.split()[0], *options, "-v",
                "--outdir", checks.scratch / f"speed-{name}", limit=200,
            )  # fmt: skip
        timing = TIMING.search(done.output)
        if done.code != 0 or not timing:
            found[name] = {"code": done.code, "output": done.output[-1500:]}
            found["failed"] += 1
            continue
        load, sample, evals, decode = (float(value) for value in timing.groups())
        each = [float(value) for value in EACH.findall(done.output)]
        found[name] = {
            "evaluations a second": evals / sample,
            "picture steps a second": evals * options[1] / sample,
            "decode s": decode / pictures,
            "load s": load,
            "first picture s": each[0] if each else None,
            "later pictures s": min(each[1:], default=None),
            "wall s": done.seconds,
            "peak MiB": memory.most,
        }
    return found


def out_of_memory(checks: Checks) -> dict:
    """A batch beyond any card: exit 6, and the next task of a list goes on."""
    if checks.device == "cpu":
        return {"failed": 0, "left out": "on the CPU"}
    path = full_checkpoint(checks)
    tasks = checks.scratch / "tasks.jsonl"
    large = {"prompt": PROMPT, "W": 4096, "H": 4096, "n_samples": 16}
    small = {"prompt": PROMPT, "W": 256, "H": 256, "n_samples": 1}
    tasks.write_text("".join(json.dumps(task) + "\n" for task in (large, small)))
    folder = checks.scratch / "memory"
    common = ["--ckpt", path, "--ddim_steps", 1, "--skip_grid", "--n_iter", 1]
    alone = checks.draw(
        *common, "--prompt", PROMPT, "--W", 4096, "--H", 4096, "--n_samples", 16,
        "--outdir", folder / "alone", limit=90,
    )  # fmt: skip
    listed = checks.draw(*common, "--from-file", tasks, "--outdir", folder / "list", limit=90)
    drawn = len(list((folder / "list").rglob("*.png")))
    return {
        "failed": int(alone.code != 6) + int(drawn == 0),
        "alone": [alone.code, alone.output[-800:]],
        "list": [listed.code, listed.output[-800:], drawn],
    }


def peer(checks: Checks) -> dict:
    """PyTorch's own modules, eagerly and compiled, and the card's own rates."""
    gpu = checks.device != "cpu"
    options = ["--compile"] if gpu else ["--dtype", "float32", "--repeats", 1, "--batch", 1]
    if gpu:
        options += ["--weights", full_checkpoint(checks)]
    script = checks.root / "scripts" / "gpu" / "peer.py"
    done = checks.run([sys.executable, script, "--device", checks.device, *options], 240)
    lines = [line for line in done.output.splitlines() if line.startswith("{")]
    if not lines:
        return {"failed": 1, "output": done.output[-2000:]}
    return json.loads(lines[-1]) | {"failed": int(done.code != 0)}


def cpu_tests(checks: Checks) -> dict:
    """What computes, on this machine's processor with its LibTorch."""
    found: dict[str, object] = {"failed": 0}
    for name in ("test_pipeline", "test_families"):
        found[name] = tests(checks, name, 120, {})
        found["failed"] += found[name]["failed"]
    return found


ALL: dict[str, Callable[[Checks], dict]] = {
    check.__name__: check
    for check in (
        machine, goldens, families, commands, refusals, speed, peer, out_of_memory, cpu_tests,
    )  # fmt: skip
}


def table(report: dict) -> str:
    """The report for people: a line a check, and what was measured."""
    lines = []
    for name, result in report.items():
        verdict = "ok" if result.get("failed") == 0 else f"{result.get('failed')} failed"
        lines.append(f"{name:<14} {verdict:<10} {result.get('check seconds', 0):6.1f} s")
        for key, value in result.items():
            if key in ("failed", "check seconds", "doctor", "failures", "properties", "output"):
                continue
            lines.append(f"    {key}: {json.dumps(value)[:300]}")
        for label, text in result.get("failures", {}).items():
            lines.append(f"    FAILED {label}: {' '.join(text.split())[:240]}")
        for label, text in result.get("properties", {}).items():
            lines.append(f"    {label} = {text}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--sd", type=Path, help="the unpacked pack")
    parser.add_argument("--out", type=Path, default=Path("gpu-report"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--only", default=",".join(ALL), help="names, with commas between")
    parser.add_argument("--list", action="store_true", help="name the checks")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name}: {' '.join(check.__doc__.split())}" for name, check in ALL.items()))
        return
    wanted = args.only.split(",")
    unknown = [name for name in wanted if name not in ALL]
    if unknown or args.sd is None:
        parser.error(f"no such check: {', '.join(unknown)}" if unknown else "--sd is missing")
    args.out.mkdir(parents=True, exist_ok=True)
    checks = Checks(args)
    for name in wanted:
        began = time.monotonic()
        if began > checks.deadline:
            result = {"failed": 1, "output": "no time was left"}
        else:
            try:
                result = ALL[name](checks)
            except Exception as problem:  # whatever fails does not stop the rest
                result = {"failed": 1, "output": repr(problem)}
        checks.report[name] = result | {"check seconds": round(time.monotonic() - began, 1)}
        part = checks.out / "report.json.part"
        part.write_text(json.dumps(checks.report, indent=1))
        part.replace(checks.out / "report.json")
        print(f"{name}: {result.get('failed')} failed", flush=True)
    text = table(checks.report)
    (checks.out / "report.txt").write_text(text)
    print(text)
    sys.exit(int(any(result.get("failed") for result in checks.report.values())))


if __name__ == "__main__":
    main()
