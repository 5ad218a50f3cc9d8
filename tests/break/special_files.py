#!/usr/bin/env python3
"""Puts FIFOs, devices, endless files, sockets, folders and links to nowhere where `sd` expects a file or a folder.

Every run ends by itself, with a promised exit code and a word about the file that is in its way; nothing is written into it.
"""

import itertools
import os
import pathlib
import shutil
import socket
import sys

import common

KINDS = ("fifo", "zero", "urandom", "full", "folder", "dangling", "loop", "socket", "sparse")
LIMIT = 40  # seconds; what waits for somebody to write would take for ever

DRAW = ("txt2img", "--prompt", "a red apple", "--W", "64", "--H", "64", "--steps", "1", "--n_samples", "1", "--n_iter", "1",
        "--device", "cpu")


def put(kind, path):
    """Makes something of this kind at `path`."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind in ("zero", "urandom", "full"):
        path.symlink_to(f"/dev/{kind}")
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            here = os.getcwd()
            os.chdir(path.parent)  # names of sockets are short
            try:
                end.bind(path.name)
            finally:
                os.chdir(here)
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(64 << 30)


class Place:
    """Where something is put, and the command that meets it."""

    def __init__(self, name, words, path="thing", codes=(2, 4, 5), named=True, env=None, skip=()):
        self.name, self.words, self.path, self.codes = name, words, path, codes
        self.named, self.env, self.skip = named, env or {}, skip


def places(bench):
    model, out = str(bench.options.model), str(bench.folder / "out")
    draw = (*DRAW, "--ckpt", model, "--outdir", out)
    thing = str(bench.folder / "thing")
    edit = ("img2img", *draw[1:])
    tasks = bench.folder / "list.jsonl"
    tasks.write_text('{"prompt": "a red apple"}\n')
    listed = tuple(word for word in draw if word not in ("--prompt", "a red apple"))
    return (
        Place("info", ("info", thing)),
        Place("info --json", ("info", "--json", thing)),
        Place("info --as-args", ("info", "--as-args", thing)),
        Place("convert from", ("convert", thing, out + ".safetensors")),
        Place("convert to", ("convert", model, thing)),
        Place("convert into", ("convert", model, thing + "/model.safetensors"), skip=("folder",)),
        Place("convert beside a yaml", ("convert", model, thing + ".safetensors"), "thing.yaml"),
        Place("--ckpt", (*DRAW, "--ckpt", thing, "--outdir", out)),
        Place("--config", (*draw, "--config", thing)),
        Place("--vae", (*draw, "--vae", thing)),
        Place("--clip", (*draw, "--clip", thing)),
        Place("--init-img", (*edit, "--init-img", thing)),
        Place("--init-latents", (*draw, "--init-latents", thing)),
        # A FIFO is waited for, which is said; here nobody writes.
        Place("--from-file", (*listed, "--from-file", thing), skip=("fifo",)),
        Place("--from-file as JSON", (*listed, "--from-file", thing + ".json"), "thing.json", skip=("fifo",)),
        Place("--outdir", (*draw[:-1], thing), skip=("folder",)),
        Place("samples", draw, "out/samples", skip=("folder",)),
        Place("journal", (*listed, "--from-file", tasks), "out/tasks.jsonl", skip=("sparse",)),
        Place("settings", draw, ".config/sd/config.toml"),
        # A cache that cannot be used costs time, nothing else.
        Place("hashes", draw, ".cache/sd/hashes.json", codes=(0,), named=False, skip=("sparse",)),
        Place("--preview", (*draw, "--preview", thing + ".png"), "thing.png", skip=("sparse",)),
        Place("attn --from", ("attn", "--from", thing, "--outdir", out)),
    )


def trial(bench, number, random):
    cases = [case for case in itertools.product(places(bench), KINDS) if case[1] not in case[0].skip]
    place, kind = cases[number % len(cases)]
    path = bench.folder / place.path
    path.parent.mkdir(parents=True, exist_ok=True)
    put(kind, path)
    outcome = bench.sd(*place.words, limit=LIMIT, env=place.env)
    what = f"{place.name} with {kind}"
    bench.expect(not outcome.timed_out, f"{what} ends", outcome)
    bench.expect_honest(outcome, place.codes)
    if place.named:
        bench.expect(path.name.encode() in outcome.stderr, f"{what} names it", outcome)
    bench.expect(os.path.lexists(path), f"{what} leaves it where it is", outcome)
    left = common.temporary_files(bench.folder)
    bench.expect(not left, f"{what} leaves no temporary file: {left}", outcome)


def all_cases():
    """How many there are."""
    class NoBench:
        folder = pathlib.Path("/tmp/sd-break-none")
        options = type("Options", (), {"model": "model"})
    NoBench.folder.mkdir(exist_ok=True)
    try:
        return sum(kind not in place.skip for place in places(NoBench) for kind in KINDS)
    finally:
        shutil.rmtree(NoBench.folder)


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=all_cases()))
