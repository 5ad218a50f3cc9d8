#!/usr/bin/env python3
"""Journals and pictures of a list damaged at random: `--resume` must end with the pictures of an undisturbed run, byte for byte.

The journal is deleted, emptied, cut at its head or tail, its lines swapped, dropped or doubled; pictures and the sources of swaps
are deleted, emptied, cut, or filled with zeros from some byte on. A second `--resume` then finds everything done.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import common

CI_COUNT = 5

LINES = {
    "txt2img": '--prompt "a red apple"\n--prompt "a cat" --batch_size 2\na blue dog\n--prompt "a cat" --seed 7 --steps 1\na cat\n',
    "swap": "a cat\ta dog\na red apple\ta blue apple\n",
}
SETTINGS = [("txt2img", "png"), ("txt2img", "jpeg"), ("txt2img", "webp"), ("swap", "png")]

references = {}


def words(bench, task, form, outdir, more=()):
    return [task, "--ckpt", bench.options.model, "--from-file", shared() / f"{task}.txt", "--outdir", outdir, "--format", form, "--H",
            "64", "--W", "64", "--steps", "2", "--threads", "1", "--device", "cpu", *more]


def shared():
    """A folder that all trials share."""
    if "folder" not in references:
        references["folder"] = pathlib.Path(tempfile.mkdtemp(prefix="sd-break-journals-"))
        for task, lines in LINES.items():
            (references["folder"] / f"{task}.txt").write_text(lines)
    return references["folder"]


def reference(bench, task, form):
    """A folder drawn without disturbance."""
    if (task, form) not in references:
        folder = shared() / f"{task}-{form}"
        outcome = bench.sd(*words(bench, task, form, folder, ["--resume"]))
        bench.expect(outcome.code == 0, "an undisturbed run ends well", outcome)
        references[task, form] = folder
    return references[task, form]


def damage_journal(path, random):
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    kind = random.choice(["none", "delete", "empty", "head", "head", "tail", "swap", "drop", "double", "garbage"])
    if kind == "delete":
        path.unlink()
        return kind
    if kind == "empty":
        lines = []
    elif kind == "head":
        lines = [data[random.randrange(len(data)):]]
    elif kind == "tail":
        lines = [data[:random.randrange(len(data))]]
    elif kind == "swap":
        random.shuffle(lines)
    elif kind == "drop":
        lines = [line for line in lines if random.random() < 0.5]
    elif kind == "double":
        lines = lines + random.sample(lines, random.randrange(1, len(lines)))
    elif kind == "garbage":
        lines.insert(random.randrange(len(lines) + 1), random.choice([b"\0\xff\n", b"{}\n", b"[1]\n", b'{"kind":"task"}\n']))
    path.write_bytes(b"".join(lines))
    return kind


def damage_picture(path, random):
    data = path.read_bytes()
    kind = random.choice(["delete", "empty", "cut", "cut by one", "zeros", "zeros at the end"])
    if kind == "delete":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(data[:random.randrange(len(data))])
    elif kind == "cut by one":
        path.write_bytes(data[:-1])
    elif kind == "zeros":
        path.write_bytes(b"\0" * len(data))
    else:
        place = random.randrange(len(data) - 12)
        path.write_bytes(data[:place] + b"\0" * (len(data) - place))
    return f"{path.parent.name}/{path.name}: {kind}"


def trial(bench, number, random):
    task, form = SETTINGS[number % len(SETTINGS)]
    whole = reference(bench, task, form)
    folder = bench.folder / "out"
    shutil.copytree(whole, folder)
    done = [damage_journal(folder / "tasks.jsonl", random)]
    pictures = sorted(path for part in ("samples", "source") for path in (folder / part).glob("*"))
    share = random.choice([0, 0.2, 0.5, 1])
    done += [damage_picture(path, random) for path in pictures if random.random() < share]
    what = f"{task} {form}, journal: {'; '.join(done)}"
    outcome = bench.sd(*words(bench, task, form, folder, ["--resume"]))
    bench.expect(outcome.code == 0, f"the run is gone on with ({what})", outcome)
    # A source that is gone alone is nobody's loss to tell: the task's picture is there.
    alone = [f"source/{path.name}" for path in pictures if path.parent.name == "source" and not path.exists()
             and (folder / "samples" / path.name).exists()]
    left = common.differences(common.tree(folder, ["tasks.jsonl"]), common.tree(whole, ["tasks.jsonl", *alone]))
    bench.expect(not left, f"all is as without disturbance ({what}): {left}", outcome)
    again = bench.sd(*words(bench, task, form, folder, ["--resume", "--json"]))
    states = [json.loads(line).get("status") for line in again.stdout.splitlines()]
    bench.expect(again.code == 0 and set(states) == {"skipped"}, f"then all is done ({what}): {states}", again)


if __name__ == "__main__":
    try:
        code = common.main(__doc__, trial, count=40)
    finally:
        if "folder" in references:
            shutil.rmtree(references["folder"], ignore_errors=True)
    sys.exit(code)
