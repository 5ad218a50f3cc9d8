#!/usr/bin/env python3
"""The checks of scripts/gpu/check.sh, in order of value, each with a time limit. Writes report.json
after every one, so that nothing measured is lost, and report.txt at the end."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import check_speed
from check_common import PROMPT, Checks, digest, full_checkpoint, gpu_count, tests

HALF_LOSS = 0.1  # root mean square beside float32 that no half precision reaches unless it is wrong


def machine(checks: Checks) -> dict:
    """What runs here: GPU, driver, PyTorch, processor."""
    fields = "name,memory.total,driver_version,compute_cap"
    gpu = ""
    if checks.gpu:
        query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
        gpu = checks.run(query, 20).output.strip()
    text = "import torch; print(torch.__version__, torch.version.cuda)"
    torch = checks.run([sys.executable, "-c", text], 60).output.strip()
    doctor = checks.run([checks.sd / "build" / "sd", "doctor", "--torch"], 60)
    return {"gpu": gpu, "torch": torch, "doctor": doctor.output, "failed": int(doctor.code != 0)}


def kernels(checks: Checks) -> dict:
    """Our own kernels on the device, beside float64."""
    return tests(
        checks, "test_pipeline", 60, {"SD_TEST_DEVICE": checks.device}, "*Gpu*:ColumnEdits*:GpuEdits*"
    )


def goldens(checks: Checks) -> dict:
    """Reference values and controls in float32 on the device."""
    return tests(checks, "test_pipeline", 240, {"SD_TEST_DEVICE": checks.device})


def families(checks: Checks) -> dict:
    """The other models of the family on the device."""
    return tests(checks, "test_families", 120, {"SD_TEST_DEVICE": checks.device})


def latents(folder: Path) -> object:
    """What --save-latents wrote, [N,4,h,w]."""
    import numpy

    return numpy.load(next(folder.rglob("latents.npy"))).astype("float64")


def commands(checks: Checks) -> dict:
    """Commands on the demo model: each twice with the same bytes, and beside float32 on the CPU."""
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
    for name in ("swap", "reweight", "img2img"):
        command, options = cases[name]
        cases[f"{name} f16"] = (command, [*options, "--dtype", "f16"])
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
            entry["loss"] = float((((ours - cpus) ** 2).mean() / (cpus**2).mean()) ** 0.5)
            found["failed"] += int(not entry["loss"] < HALF_LOSS)
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


def several_gpus(checks: Checks) -> dict:
    """A list that is drawn on two GPUs: the same bytes as on one."""
    count = gpu_count(checks)
    if count < 2:
        return {"failed": 0, "left out": "one GPU" if count == 1 else "no GPU"}
    tasks = checks.scratch / "several.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": PROMPT, "seed": i}) + "\n" for i in range(4)))
    found: dict[str, object] = {"GPUs": count}
    for device in ("cuda:0", "cuda:0,1"):
        folder = checks.scratch / f"several-{device.replace(':', '-').replace(',', '-')}"
        done = checks.draw(
            *checks.demo, "--from-file", tasks, "--ddim_steps", 12, "--skip_grid", "--outdir", folder,
            "--device", device,
        )  # fmt: skip
        found[device] = [done.code, round(done.seconds, 2), digest(folder)]
        if done.code != 0:
            found[f"{device} says"] = done.output[-1500:]
    one, two = found["cuda:0"], found["cuda:0,1"]
    return found | {"failed": int(one[0] != 0 or two[0] != 0 or one[2] != two[2])}


HOLDER = """
import torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(free - 6 * 2**30, 1), dtype=torch.uint8, device="cuda")
print("held", flush=True)
input()
"""


def out_of_memory(checks: Checks) -> dict:
    """With 6 GiB left of the card: exit 6 for what needs more, and the next task of a list goes on."""
    if not checks.gpu:
        return {"failed": 0, "left out": "on the CPU"}
    path = full_checkpoint(checks)
    tasks = checks.scratch / "tasks.jsonl"
    large = {"prompt": PROMPT, "W": 1024, "H": 1024, "n_samples": 24}
    small = {"prompt": PROMPT, "W": 256, "H": 256, "n_samples": 1}
    tasks.write_text("".join(json.dumps(task) + "\n" for task in (large, small)))
    folder = checks.scratch / "memory"
    common = ["--ckpt", path, "--ddim_steps", 1, "--skip_grid", "--n_iter", 1]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        held = holder.stdout.readline().strip()
        alone = checks.draw(
            *common, "--prompt", PROMPT, "--W", 1024, "--H", 1024, "--n_samples", 24,
            "--outdir", folder / "alone", limit=60,
        )  # fmt: skip
        listed = checks.draw(*common, "--from-file", tasks, "--outdir", folder / "list", limit=60)
        holder.communicate("\n")
    drawn = len(list((folder / "list").rglob("*.png")))
    return {
        "failed": int(held != "held") + int(alone.code != 6) + int(drawn == 0),
        "alone": [alone.code, alone.output[-800:]],
        "list": [listed.code, listed.output[-800:], drawn],
    }


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
        machine, kernels, check_speed.speed, check_speed.whole_commands, goldens, commands, families,
        refusals, check_speed.speed_of_others, check_speed.peer, check_speed.low_memory, out_of_memory,
        several_gpus, check_speed.compiled, cpu_tests,
    )  # fmt: skip
}


def rounded(value: object) -> object:
    """The same with four digits of each fraction."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def table(report: dict, gpu: bool) -> str:
    """The report for people: a line a check, what was measured, and the bars."""
    lines = []
    for name, result in report.items():
        verdict = "ok" if result.get("failed") == 0 else f"{result.get('failed')} failed"
        lines.append(f"{name:<16} {verdict:<10} {result.get('check seconds', 0):6.1f} s")
        for key, value in result.items():
            if key in ("failed", "check seconds", "doctor", "failures", "properties", "output"):
                continue
            lines.append(f"    {key}: {json.dumps(rounded(value))[:400]}")
        if result.get("failed") and "output" in result:
            lines.append(f"    said: {' '.join(result['output'].split())[-400:]}")
        for label, text in result.get("failures", {}).items():
            lines.append(f"    FAILED {label}: {' '.join(text.split())[:240]}")
        for label, text in result.get("properties", {}).items():
            lines.append(f"    {label} = {text}")
    bars = check_speed.bars(report) if gpu else ["bars: left out, as they are a GPU's"]
    return "\n".join([*lines, "", *bars]) + "\n"


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
    text = table(checks.report, checks.gpu)
    (checks.out / "report.txt").write_text(text)
    print(text)
    sys.exit(int(any(result.get("failed") for result in checks.report.values())))


if __name__ == "__main__":
    main()
