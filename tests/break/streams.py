#!/usr/bin/env python3
"""Runs commands with standard streams that are closed, full, or pipes that nobody reads any more.

Whatever the streams: pictures are whole and all there, no file holds what belongs to a stream, `--resume` has nothing left to
do, and the exit code is 0 or, where stdout could not take what was printed, 5 with a sentence.
"""

import itertools
import json
import os
import sys

import common

STREAMS = ("open", "closed", "full", "broken", "null")
DRAWING = ("prompt", "lines", "tasks", "swap", "grid")
PRINTING = ("info", "samplers", "help", "version", "doctor", "man", "completion", "convert", "attn-from")
# Every pair of stdout and stderr for every command; stdin is closed in every second one.
CASES = list(itertools.product(DRAWING + PRINTING, STREAMS, STREAMS))


def redirect(stdin_closed, stdout, stderr):
    """What the child does before the program starts."""
    def one(descriptor, kind):
        if kind == "closed":
            os.close(descriptor)
        elif kind == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)
        elif kind == "null":
            os.dup2(os.open("/dev/null", os.O_WRONLY), descriptor)
        elif kind == "broken":
            reader, writer = os.pipe()
            os.dup2(writer, descriptor)
            os.close(reader)
            os.close(writer)

    def before():
        if stdin_closed:
            os.close(0)
        one(1, stdout)
        one(2, stderr)
    return before


def drawing(bench, command, out):
    options = ["--ckpt", bench.options.model, "--outdir", out, "--W", "64", "--H", "64", "--steps", "1",
               "--n_samples", "1", "--n_iter", "1", "--device", "cpu"]
    lines = bench.folder / "lines.txt"
    lines.write_text("a red apple\na green pear\n")
    tasks = bench.folder / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": p, "seed": i}) + "\n" for i, p in enumerate(("an apple", "a pear"))))
    return {
        "prompt": (["txt2img", "--prompt", "a red apple", *options], 1),
        "lines": (["txt2img", "--from-file", lines, *options], 2),
        "tasks": (["txt2img", "--from-file", tasks, *options], 2),
        "swap": (["swap", "--prompt", "a red apple", "--sprompt", "a green apple", "--is-swap", *options], 2),
        "grid": (["txt2img", "--prompt", "an apple", "--grid", "seed=1,2", *options], 2),
    }[command]


def printing(bench, command):
    model = bench.options.model
    return {
        "info": ["info", model, model],
        "samplers": ["samplers"],
        "help": ["help", "txt2img"],
        "version": ["--version"],
        "doctor": ["doctor"],
        "man": ["man"],
        "completion": ["completion", "bash"],
        "convert": ["convert", model, bench.folder / "converted.safetensors"],
        "attn-from": ["attn", "--from", bench.folder / "no-maps"],
    }[command]


def pictures_below(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix == ".png" and path.parent.name in
            ("samples", "source")]


def is_whole_png(path):
    data = path.read_bytes()
    return data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")


def expect_undisturbed(bench, out, pictures, outcome):
    found = pictures_below(out)
    bench.expect(len(found) == pictures, f"{pictures} pictures, found {len(found)}", outcome)
    bench.expect(all(is_whole_png(path) for path in found), "every picture is whole", outcome)
    bench.expect(not common.temporary_files(out), "no temporary file stays", outcome)
    for journal in out.glob("tasks*.jsonl"):
        for line in journal.read_text().splitlines():
            kind = json.loads(line).get("kind")
            bench.expect(kind in ("tasks", "task"), f"the journal holds its own lines alone, found kind {kind}", outcome)


def trial(bench, number, random):
    command, stdout, stderr = CASES[number % len(CASES)]
    stdin_closed = random.random() < 0.5
    out = bench.folder / "out"
    draws = command in DRAWING
    words, pictures = drawing(bench, command, out) if draws else (printing(bench, command), 0)
    if random.random() < 0.3 and command not in ("help", "version", "man", "completion"):
        words.append("--json")
    outcome = bench.sd(*words, before=redirect(stdin_closed, stdout, stderr))
    expected = 5 if stdout in ("full", "broken") or command == "attn-from" else 0
    bench.expect_honest(outcome, (expected,))
    if expected == 5 and stderr == "open":
        said = b"standard output" if command != "attn-from" else b"no-maps"
        bench.expect(said in outcome.stderr, f"it says {said.decode()}", outcome)
    if draws:
        expect_undisturbed(bench, out, pictures, outcome)
    if command == "tasks":
        again = bench.sd(*words, "--resume")
        bench.expect_honest(again, (0,))
        bench.expect(b"0 of 2 tasks done, 2 done before" in again.stderr, "nothing is drawn again", again)
    if command == "convert":
        bench.expect(bench.sd("info", "--no-hash", bench.folder / "converted.safetensors").code == 0,
                     "what was converted can be read")


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=len(CASES)))
