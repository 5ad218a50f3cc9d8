#!/usr/bin/env python3
"""Ends `sd` with SIGKILL at random moments, again and again, and goes on with --resume.

Lists are drawn in every picture format, with several pictures a task, with maps and as swaps; checkpoints are converted to a
file and to a folder; with --training the program beside `sd` trains a tiny model. At the end the folder must hold the same files, byte by byte, as that of a run that nobody ended, and no
temporary file.
"""

import atexit
import json
import pathlib
import shutil
import sys
import tempfile
import time

import common

SMALL = ("--W", "64", "--H", "64", "--steps", "2", "--device", "cpu", "--dtype", "f32", "--threads", "1")
LISTS = {
    "png": ("txt2img",),
    "jpeg": ("txt2img", "--format", "jpeg"),
    "webp": ("txt2img", "--format", "webp"),
    "maps": ("txt2img", "--attn", "out/attn", "--words", "apple"),
    "swap": ("swap", "--is-swap"),
    "several": ("txt2img", "--n_samples", "2", "--n_iter", "2", "--format", "webp"),
}
CONVERSIONS = {"file": "made/model.safetensors", "folder": "made/model"}
KINDS = (*LISTS, *CONVERSIONS)
RECIPE = common.ROOT / "tests" / "data" / "train" / "recipe.yaml"

references = {}  # of each kind: the tree of a run that nobody ended, and its seconds


def tasks(kind):
    words = ({"prompt": "a red apple"}, {"prompt": "a green apple", "seed": 7}, {"prompt": "an apple on a table"})
    sources = ("a red pear", "a green pear", "a pear on a table")
    return [dict(word, sprompt=source) if kind == "swap" else dict(word) for word, source in zip(words, sources)]


def prepare(folder, kind):
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks(kind)))
    if kind in CONVERSIONS:
        (folder / "made").mkdir(exist_ok=True)


def command(bench, kind):
    if kind == "training":
        return [bench.options.sd.with_name("sd-train"), "all", "--recipe", RECIPE, "--threads", "1", "--out", "out"]
    if kind in CONVERSIONS:
        return [bench.options.sd, "convert", bench.options.model, CONVERSIONS[kind], "-q"]
    first, *rest = LISTS[kind]
    return [bench.options.sd, first, "--ckpt", bench.options.model, "--from-file", "tasks.jsonl", "--outdir", "out",
            *SMALL, *rest]


def result(folder, kind):
    """What must be the same; journals hold times and are looked at by `done_tasks`."""
    if kind == "training":  # states and sheets are written by the clock
        found = common.tree(folder / "out")
        return {name: value for name, value in found.items() if name.startswith(("model/", "latents/", "vae.safetensors"))}
    found = common.tree(folder / ("made" if kind in CONVERSIONS else "out"))
    return {name: value for name, value in found.items() if not name.startswith("tasks")}


def done_tasks(folder):
    """The tasks that the journal calls done, each with its pictures."""
    done = {}
    for line in (folder / "out" / "tasks.jsonl").read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # a line that the end came upon
        if record.get("kind") == "task" and "code" not in record:
            done[record["task"]] = record["pictures"]
    return done


def reference(bench, kind):
    if kind not in references:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sd-break-kill-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        prepare(folder, kind)
        outcome = bench.run(command(bench, kind), cwd=folder)
        bench.expect_honest(outcome, (0,))
        done = done_tasks(folder) if kind in LISTS else None
        references[kind] = (result(folder, kind), done, outcome.seconds)
    return references[kind]


def end_at(bench, words, seconds):
    """Starts the command and ends it after so long; True if it was faster."""
    process = bench.start(words)
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    faster = process.poll() is not None
    common.kill_group(process)
    process.communicate()
    return faster


def kill_list(bench, kind, random, seconds):
    words = command(bench, kind)
    for _ in range(random.randint(1, 3)):
        if end_at(bench, words, random.uniform(0, seconds)):
            break
        words = [*command(bench, kind), "--resume"]
    outcome = bench.run([*command(bench, kind), "--resume"])
    bench.expect_honest(outcome, (0,))
    return outcome


def kill_conversion(bench, kind, random, seconds):
    made = bench.folder / CONVERSIONS[kind]
    for _ in range(random.randint(1, 3)):
        if made.exists() or end_at(bench, command(bench, kind), random.uniform(0, seconds)):
            break
    if not made.exists():
        bench.expect_honest(bench.run(command(bench, kind)), (0,))
    # Another run in that folder takes away what the last one that was ended left.
    other = bench.folder / "made" / "other.safetensors"
    outcome = bench.sd("convert", bench.options.model, other, "-q")
    bench.expect_honest(outcome, (0,))
    for path in (other, other.with_suffix(".yaml")):
        path.unlink(missing_ok=True)
    return outcome


def kill_training(bench, kind, random, seconds):
    for _ in range(random.randint(1, 3)):
        if end_at(bench, command(bench, kind), random.uniform(0, seconds)):
            break
    outcome = bench.run(command(bench, kind))
    bench.expect_honest(outcome, (0,))
    return outcome


def add_options(parser):
    parser.add_argument("--training", action="store_true", help="training alone, which takes a minute a trial")


def trial(bench, number, random):
    kind = "training" if bench.options.training else KINDS[number % len(KINDS)]
    expected, done, seconds = reference(bench, kind)
    prepare(bench.folder, kind)
    kill = kill_training if kind == "training" else kill_conversion if kind in CONVERSIONS else kill_list
    last = kill(bench, kind, random, seconds)
    left = common.temporary_files(bench.folder)
    bench.expect(not left, f"{kind}: no temporary file stays: {left}", last)
    other = common.differences(result(bench.folder, kind), expected)
    bench.expect(not other, f"{kind}: the same files as of a run that nobody ended: {other}", last)
    if done is not None:
        bench.expect(done_tasks(bench.folder) == done, f"{kind}: the journal tells of all tasks and their pictures", last)


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=2 * len(KINDS), add=add_options))
