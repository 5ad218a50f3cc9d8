#!/usr/bin/env python3
"""Pictures whose metadata are made to attack a shell: `sd info --as-args` goes through a real shell, where nothing may run and every
argument must come back as it was.

Prompts have quotes of all kinds, newlines, `$(…)`, backticks, escape sequences, characters that reorder text, and broken UTF-8. They
stand in the settings that `sd` writes, or in an infotext, of a PNG. What the shell is given is also looked at: it holds nothing that
would steer a terminal.
"""

import json
import shutil
import struct
import sys
import zlib

import common

CI_COUNT = 6

PIECES = [
    "$(touch CANARY)", "`touch CANARY`", "'; touch CANARY; '", '"; touch CANARY; "', "\ntouch CANARY\n", "| touch CANARY", "&& touch CANARY",
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\t", "\\", "\\'", "\\\\", "'", '"', "!!", "!touch", "$HOME", "${IFS}", "~", "~root",
    "*", "?", "[a-z]", "{a,b}", "#x", ";", "&", ">CANARY", "<(touch CANARY)", "a cat", "red", "é", "日本", "🍎", "\u202e", "\u200b", "\u2028",
    "\\x41", "\\101", "$'\\101'", "%s", "=x", "-", "--", "--outdir", "-rf", "(", ")", "0", " ", "  ", "\x7f", "\x01", "=", "a=b",
]
ARGUMENTS = ["negative-prompt", "ckpt", "init-img", "vae", "config", "reweight", "sampler"]


def prompt(random, canary):
    pieces = [random.choice(PIECES).replace("CANARY", str(canary)) for _ in range(random.randrange(1, 6))]
    return random.choice(["", " ", "x"]).join(pieces)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(keyword, text):
    """A picture of one pixel that says `text`."""
    data = keyword.encode() + b"\0\0\0\0\0" + text.encode("utf-8", "surrogatepass")
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + chunk(b"iTXt", data)
            + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b""))


def crafted(random, canary):
    """Keyword, text and the arguments that must come back; none are known for an infotext's."""
    if random.random() < 0.7:
        arguments = ["txt2img", "--prompt=" + prompt(random, canary)]
        for name in random.sample(ARGUMENTS, random.randrange(3)):
            arguments.append(f"--{name}={prompt(random, canary)}")
        return "sd", json.dumps({"version": "0.1.0", "command": "txt2img", "args": arguments}), arguments
    words = prompt(random, canary)
    text = f"{words}\nNegative prompt: {prompt(random, canary)}\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: {json.dumps(prompt(random, canary))}"
    return "parameters", text, None


def run_in_shell(bench, shell, line):
    """What the shell makes of a line: the arguments that reach a program called sd."""
    bin = bench.folder / "bin"
    bin.mkdir(exist_ok=True)
    (bin / "sd").write_text('#!/bin/sh\nprintf "%s\\0" "$@" > "$SD_SEEN"\n')
    (bin / "sd").chmod(0o755)
    seen = bench.folder / "seen"
    seen.unlink(missing_ok=True)
    (bench.folder / "line.sh").write_bytes(line + b"\n")
    outcome = bench.run([shell, bench.folder / "line.sh"], env={"PATH": f"{bin}:/usr/bin:/bin", "SD_SEEN": seen})
    bench.expect(outcome.code == 0 and seen.exists(), f"{shell} runs the line {line!r}", outcome)
    return [word.decode("utf-8", "surrogateescape") for word in seen.read_bytes().split(b"\0")[:-1]]


def values(arguments):
    """Options with their values, however the two are joined."""
    found, words = {}, list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            continue
        name, joined, value = word.partition("=")
        if not joined and words and not words[0].startswith("--"):
            value = words.pop(0)
        found.setdefault(name.lstrip("-").replace("_", "-"), []).append(value)
    return found


def trial(bench, number, random):
    canary = bench.folder / "canary"
    keyword, text, arguments = crafted(random, canary)
    path = bench.folder / "picture.png"
    path.write_bytes(png(keyword, text))
    for flag in ([], ["--json"]):
        outcome = bench.sd("info", *flag, path)
        bench.expect_honest(outcome, (0, 5))
        bench.expect(not canary.exists(), "info runs nothing", outcome)
    outcome = bench.sd("info", "--as-args", path)
    bench.expect_honest(outcome, (0, 2, 5))
    bench.expect(not canary.exists(), "info runs nothing", outcome)
    if outcome.code != 0:
        return
    line = outcome.stdout.rstrip(b"\n")
    bad = [byte for byte in line if byte < 32 or byte == 127]
    bench.expect(not bad, f"no control character in {line!r}")
    for shell in filter(shutil.which, ("bash", "zsh")):
        words = run_in_shell(bench, shell, line)
        bench.expect(not canary.exists(), f"{shell} runs nothing else: {line!r}", outcome)
        if arguments is None:
            continue
        wanted, found = values(arguments), values(words)
        for name, value in wanted.items():
            bench.expect(found.get(name) == value, f"--{name} comes back from {shell}: {value!r}, found {found.get(name)!r}", outcome)


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=100))
