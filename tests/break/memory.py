"""Runs commands with less memory than they need: `ulimit -v` of random sizes.

Right is exit code 0, or 6 with what is needed and what to do; nothing unfinished is left, and a list that lacks memory for one
task loses none of the others. Where the system cannot load the program itself (exit code 127, or a signal before its first
instruction), that is the system's word and counts as passed.

    tests/break/memory.py --seed 1 --count 50
    tests/break/memory.py --step 10 --count 700        each size from 20 MB on, command by command
"""

import resource
import sys

import common

MB = 1_000_000
CI_COUNT = 10
SMALLEST, LARGEST = 20, 900  # MB; the tiny model is drawn from about 700 on

PICTURE = ["--steps", "1", "--n_samples", "1", "--n_iter", "1", "--H", "64", "--W", "64", "--seed", "1", "--device", "cpu"]


def drawing(command, *words):
    return lambda bench: [bench.options.sd, command, "--ckpt", bench.options.model, "--outdir", bench.folder / "out", *PICTURE,
                          *[str(word).replace("FOLDER", str(bench.folder)) for word in words]]


def start_picture(bench):
    """A PNG of 64x64 pixels, grey, written by hand."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + b"\x80" * 192 for _ in range(64))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    (bench.folder / "start.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
                                             chunk(b"IEND", b""))


def task_list(bench):
    (bench.folder / "tasks.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b", "seed": 2}\n')


def train(command):
    def words(bench):
        return [bench.options.sd.parent / "sd-train", command, "--out", bench.folder / "out", "--n", "2"]

    return words


# Name, words, what is laid out before.
COMMANDS = {
    "txt2img": (drawing("txt2img", "--prompt", "a red apple"), None),
    "txt2img-threads": (drawing("txt2img", "--prompt", "a red apple", "--threads", "4"), None),
    "txt2img-bf16": (drawing("txt2img", "--prompt", "a red apple", "--dtype", "bf16"), None),
    "txt2img-large": (drawing("txt2img", "--prompt", "a red apple", "--H", "512", "--W", "512"), None),
    "img2img": (drawing("img2img", "--prompt", "a pear", "--init-img", "FOLDER/start.png", "--strength", "1"), start_picture),
    "swap": (drawing("swap", "--sprompt", "a cat", "--prompt", "a dog"), None),
    "attn": (drawing("txt2img", "--prompt", "a red apple", "--attn", "FOLDER/maps"), None),
    "list": (drawing("txt2img", "--from-file", "FOLDER/tasks.jsonl"), task_list),
    "info": (lambda bench: [bench.options.sd, "info", bench.options.model], None),
    "convert": (lambda bench: [bench.options.sd, "convert", bench.options.model, bench.folder / "out.safetensors"], None),
    "doctor": (lambda bench: [bench.options.sd, "doctor"], None),
    "doctor-torch": (lambda bench: [bench.options.sd, "doctor", "--torch"], None),
    "train": (train("scenes"), None),
}


def limit_to(megabytes):
    size = megabytes * MB
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


def not_loaded(outcome):
    """The system could not even map the program and its libraries."""
    said = outcome.stderr.decode("utf-8", "replace")
    by_loader = outcome.code == 127 and "loading shared libraries" in said
    return by_loader or (outcome.code in (-9, -11) and not said)


def check(bench, name, megabytes):
    words, prepare = COMMANDS[name]
    if prepare is not None:
        prepare(bench)
    outcome = bench.run(words(bench), before=limit_to(megabytes))
    outcome.words.insert(0, f"[{megabytes} MB]")
    if not_loaded(outcome):
        return
    some_of_list = name == "list" and b"1 of 2 tasks done" in outcome.stderr
    bench.expect_honest(outcome, codes=(0, 3, 6) if some_of_list else (0, 6))
    if outcome.code != 0:
        said = outcome.stderr.decode("utf-8", "replace")
        bench.expect("ulimit -v" in said and "needed" in said, "need and remedy are said", outcome)
    left = common.temporary_files(bench.folder)
    bench.expect(not left, f"nothing unfinished is left: {left}", outcome)


def trial(bench, number, random):
    names = sorted(COMMANDS)
    step = bench.options.step
    if step:
        check(bench, names[number % len(names)], SMALLEST + number // len(names) * step)
    else:
        check(bench, random.choice(names), random.randint(SMALLEST, LARGEST))


def add(parser):
    parser.add_argument("--step", type=int, default=0, help="sizes in this distance, in MB, instead of random ones")


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=30, add=add))
