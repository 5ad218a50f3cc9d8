"""What scripts/gpu/check.py measures, and the bars that the measured values stand beside."""

from __future__ import annotations

import json
import sys
from statistics import median

from check_common import PROMPT, Checks, full_checkpoint, full_model

PICTURES = 6
TASKS = 4


def rate(result: object) -> float | None:
    """Evaluations a second, where they were measured."""
    return result.get("evaluations a second") if isinstance(result, dict) else None


def bench(
    checks: Checks, dtype: str, *options: object, rounds: int = 3, limit: float = 60, **env: str
) -> dict:
    """`sd bench` of the full size: what each part takes, on a GPU by its own events."""
    steps, rounds = (50, rounds) if checks.gpu else (3, 1)
    done = checks.draw(
        *full_model(checks), "--sampler", "ddim", "--rounds", rounds, "--steps", steps,
        "--dtype", dtype, "--json", *options,
        command="bench", limit=limit, **env,
    )  # fmt: skip
    lines = [line for line in done.output.splitlines() if line.startswith('{"kind":"bench"')]
    if done.code != 0 or not lines:
        return {"failed": 1, "code": done.code, "output": done.output[-1500:]}
    report = json.loads(lines[-1])
    phases = report["phases"]
    pictures, unet = report["n_samples"], phases["unet"]
    found: dict[str, object] = {
        "failed": 0,
        "evaluations a second": round(1 / unet["median"], 2),
        "picture steps a second": round(pictures / unet["median"], 2),
        "slowest step s": max(unet["seconds"]),
        "share of the limit": unet["share"],
        "decode s": sum(phases["vae"]["seconds"]) / (rounds * pictures),
        "text s": phases["text"]["median"],
        "load s": phases["load"]["median"],
        "wall s": round(done.seconds, 2),
    }
    if checks.gpu:
        limit_found = report["limit"]["gpu"] or {}
        found["limit TFLOP/s"] = limit_found.get("gflops", 0) / 1000
        found["waits a step"] = unet["waits"]
        found["waits of decoding"] = phases["vae"]["waits"]
        found["peak GPU MiB"] = (report["peak_gpu_memory"] or 0) // 2**20
    return found


def with_sum(found: dict[str, dict]) -> dict:
    """Of several measured things: how many failed. With all kernels on no step may wait for the GPU."""
    for name, result in found.items():
        if result.get("waits a step") and "SD_GPU_KERNELS" not in name:
            result["failed"] = 1
            result["output"] = "the host waits for the GPU within a step"
    return {"failed": sum(result["failed"] for result in found.values())} | found


def speed(checks: Checks) -> dict:
    """Full size, 512x512, one picture: with our kernels, without recordings, and without both."""
    dtype = "f16" if checks.gpu else "f32"
    found = {dtype: bench(checks, dtype)}
    for mode in ("plain", "off"):
        found[f"{dtype} SD_GPU_KERNELS={mode}"] = bench(checks, dtype, SD_GPU_KERNELS=mode)
    return with_sum(found)


def speed_of_others(checks: Checks) -> dict:
    """Eight pictures at a time, bfloat16, float32."""
    if not checks.gpu:
        return with_sum({"f32 batch 2": bench(checks, "f32", "--n_samples", 2)})
    return with_sum({
        "f16 batch 8": bench(checks, "f16", "--n_samples", 8),
        "bf16": bench(checks, "bf16"),
        "f32": bench(checks, "f32", rounds=1),
    })  # fmt: skip


def low_memory(checks: Checks) -> dict:
    """One part of the model on the GPU at a time: below 3 GB."""
    if not checks.gpu:
        return {"failed": 0, "left out": "on the CPU"}
    found = bench(checks, "f16", "--low-memory", rounds=1)
    most = found.get("peak GPU MiB", 0) * 2**20
    return found | {"failed": int(found["failed"] or not 0 < most < 3e9)}


def batch_seconds(output: str) -> list[float]:
    """Seconds of each batch, in order, by the lines of --json: each tells its picture's part."""
    found: dict[int, float] = {}
    for line in output.splitlines():
        if line.startswith('{"kind":"image"'):
            picture = json.loads(line)
            batch = picture["run"]["batch"]
            found[batch] = found.get(batch, 0) + picture["seconds"]
    return list(found.values())


def whole_commands(checks: Checks) -> dict:
    """Pictures in a row, swaps in a row, and a list of tasks, as a user runs them."""
    steps = 50 if checks.gpu else 3
    common = [
        *full_model(checks), "--ddim_steps", steps, "--skip_grid", "--json", "--n_samples", 1,
        "--dtype", "f16" if checks.gpu else "f32",
    ]  # fmt: skip
    found: dict[str, object] = {"failed": 0}
    source = ["--sprompt", PROMPT.replace("red", "green")]
    for name, command, pictures, options in (
        ("pictures", "txt2img", PICTURES, []),
        ("swaps", "swap", 4, source),
    ):
        done = checks.draw(
            *common, "--prompt", PROMPT, *options, "--n_iter", pictures,
            "--outdir", checks.scratch / f"whole-{name}", command=command,
        )  # fmt: skip
        each = batch_seconds(done.output)
        if done.code != 0 or len(each) != pictures:
            found[name] = {"code": done.code, "output": done.output[-1500:]}
            found["failed"] += 1
            continue
        found[name] = {"first s": each[0], "later s": median(each[1:]), "wall s": round(done.seconds, 2)}
    if "later s" in found["pictures"] and "later s" in found["swaps"]:
        found["swap over picture"] = found["swaps"]["later s"] / found["pictures"]["later s"]

    tasks = checks.scratch / "whole.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": PROMPT, "seed": i}) + "\n" for i in range(TASKS)))
    done = checks.draw(
        *common, "--n_iter", 1, "--from-file", tasks, "--outdir", checks.scratch / "whole-list"
    )
    drawn = len(list((checks.scratch / "whole-list").rglob("*.png")))
    found["list"] = {"tasks": TASKS, "drawn": drawn, "wall s": round(done.seconds, 2)}
    if done.code != 0 or drawn != TASKS:
        found["failed"] += 1
        found["list"]["output"] = done.output[-1500:]
    return found


def run_peer(checks: Checks, limit: float, *options: object) -> dict:
    if checks.gpu:
        chosen = ["--weights", full_checkpoint(checks), *options]
    else:
        chosen = ["--dtype", "float32", "--size", 64, "--repeats", 1, "--batch", 1, *options]
    script = checks.root / "scripts" / "gpu" / "peer.py"
    done = checks.run([sys.executable, script, "--device", checks.device, *chosen], limit)
    lines = [line for line in done.output.splitlines() if line.startswith("{")]
    if not lines:
        return {"failed": 1, "output": done.output[-2000:]}
    return json.loads(lines[-1]) | {"failed": int(done.code != 0)}


def peer(checks: Checks) -> dict:
    """PyTorch's own modules, eagerly and as a CUDA graph, and the card's own rates."""
    return run_peer(checks, 100)


def compiled(checks: Checks) -> dict:
    """PyTorch's own modules through torch.compile."""
    if not checks.gpu:
        return {"failed": 0, "left out": "on the CPU"}
    return run_peer(checks, 180, "--compile-only")


def ratio(above: object, below: object) -> float | None:
    """None where either was not measured."""
    return above / below if above and below else None


def bars(report: dict) -> list[str]:
    """What was asked for beside what was found, one line each."""

    def of(check: str) -> dict:
        return report.get(check, {})

    ours = rate(of("speed").get("f16"))
    same = ratio(of("peer").get("graph batch 1, deterministic"), of("peer").get("graph batch 1, timed"))
    rows: list[tuple[str, float | None, str, float]] = [
        ("f16 over PyTorch's modules, eagerly", ratio(ours, of("peer").get("eager batch 1")), ">=", 1.3),
        ("f16 over torch.compile", ratio(ours, of("compiled").get("compiled batch 1")), ">=", 1.0),
        ("f16, evaluations a second (aim)", ours, ">=", 105),
        ("a later swap over a later picture", of("whole_commands").get("swap over picture"), "<=", 2.1),
        ("share lost to deterministic convolutions", None if same is None else 1 - same, "<=", 0.05),
    ]
    lines = [f"{'bar':<44} {'asked':>9} {'found':>9}"]
    for what, found, sign, bar in rows:
        if found is None:
            value, verdict = "-", "not measured"
        else:
            value = f"{found:.3g}"
            verdict = "ok" if (found >= bar if sign == ">=" else found <= bar) else "missed"
        lines.append(f"{what:<44} {sign + f' {bar:g}':>9} {value:>9}  {verdict}")
    return lines
