#!/usr/bin/env python3
"""Several processes write into one folder at the same time.

Nothing may be lost, overwritten or half written: as many pictures as were asked for, each whole and each path printed once,
and no temporary file of a process that lives is taken away by another that sweeps.
"""

import json
import os
import pathlib
import signal
import sys
import time

import common

SMALL = ("--W", "64", "--H", "64", "--steps", "1", "--device", "cpu", "--threads", "1")


def options(bench, out):
    return ("--ckpt", bench.options.model, "--outdir", out, *SMALL)


def finish(bench, processes):
    """All of them at their ends: what each printed."""
    printed = []
    for process in processes:
        out, err = process.communicate(timeout=bench.options.limit)
        outcome = common.Outcome(process.args, process.returncode, out, err, 0)
        bench.expect_honest(outcome, (0,))
        printed += out.decode().splitlines()
    return printed


def expect_whole(bench, paths, count):
    bench.expect(len(paths) == len(set(paths)), "each path is printed once")
    bench.expect(len(paths) == count, f"{count} paths are printed, found {len(paths)}")
    for path in paths:
        data = pathlib.Path(path).read_bytes()
        bench.expect(data.endswith(b"IEND\xaeB`\x82"), f"{path} is whole")


def same_run(bench, random):
    """Processes that each draw pictures into one folder."""
    out, writers, each = bench.folder / "out", random.randint(2, 4), random.randint(1, 3)
    started = [bench.start([bench.options.sd, "txt2img", "--prompt", f"an apple {i}", "--seed", i, "--n_samples", "1",
                            "--n_iter", each, "--skip_grid", *options(bench, out)]) for i in range(writers)]
    expect_whole(bench, finish(bench, started), writers * each)
    bench.expect(len(list((out / "samples").glob("*.png"))) == writers * each, "no picture was overwritten")
    return out


def shards(bench, random):
    """The shards of a list, which share its numbers."""
    out, count, tasks = bench.folder / "out", random.randint(2, 3), random.randint(3, 6)
    listed = bench.folder / "tasks.jsonl"
    listed.write_text("".join(json.dumps({"prompt": f"an apple {i}"}) + "\n" for i in range(tasks)))
    started = [bench.start([bench.options.sd, "txt2img", "--from-file", listed, "--shard", f"{i + 1}/{count}",
                            *options(bench, out)]) for i in range(count)]
    lines = [json.loads(line) for line in finish(bench, started)]
    expect_whole(bench, [line["path"] for line in lines if line["kind"] == "image"], tasks)
    names = sorted(path.name for path in (out / "samples").glob("*.png"))
    bench.expect(names == [f"{i:05}.png" for i in range(tasks)], f"each task has its number: {names}")
    return out


def lists(bench, random):
    """Different lists in one folder."""
    out, each = bench.folder / "out", random.randint(1, 3)
    started = []
    for i in range(2):
        listed = bench.folder / f"list-{i}.jsonl"
        listed.write_text("".join(json.dumps({"prompt": f"a pear {i} {j}"}) + "\n" for j in range(each)))
        started.append(bench.start([bench.options.sd, "txt2img", "--from-file", listed, *options(bench, out)]))
    lines = [json.loads(line) for line in finish(bench, started)]
    expect_whole(bench, [line["path"] for line in lines if line["kind"] == "image"], 2 * each)
    return out


def one_name(bench, random):
    """Conversions to one name: one makes it, the others say that it is there."""
    target = bench.folder / "out" / ("model.safetensors" if random.random() < 0.5 else "model")
    target.parent.mkdir()
    started = [bench.start([bench.options.sd, "convert", bench.options.model, target]) for _ in range(3)]
    codes = []
    for process in started:
        out, err = process.communicate(timeout=bench.options.limit)
        codes.append(process.returncode)
        bench.expect_honest(common.Outcome(process.args, process.returncode, out, err, 0), (0, 5))
    bench.expect(codes.count(0) == 1, f"one of them makes it: {codes}")
    bench.expect(bench.sd("info", "--no-hash", target).code == 0, "it can be read")
    return target.parent


def stopped_writer(bench, random):
    """A process that is stopped while it writes keeps its temporary file, however many others begin and end meanwhile."""
    out = bench.folder / "out"
    out.mkdir()
    writer = bench.start([bench.options.sd, "convert", bench.options.model, out / "first.safetensors"])
    deadline = time.monotonic() + bench.options.limit
    while not common.temporary_files(out) and writer.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    writer.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # it may still go on for a moment
    mine = common.temporary_files(out)
    for i in range(random.randint(1, 2)):
        bench.expect_honest(bench.sd("convert", bench.options.model, out / f"other-{i}.safetensors"), (0,))
    bench.expect(common.temporary_files(out) == mine, "a stopped process keeps its temporary file")
    writer.send_signal(signal.SIGCONT)
    finish(bench, [writer])
    bench.expect((out / "first.safetensors").is_file(), "the stopped process finishes its file")
    return out


KINDS = (same_run, shards, lists, one_name, stopped_writer)


def trial(bench, number, random):
    out = KINDS[number % len(KINDS)](bench, random)
    bench.expect(not common.temporary_files(out), f"no temporary file stays: {common.temporary_files(out)}")


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=20))
