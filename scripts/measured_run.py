"""Runs programs and measures them: once from start to end, or as children that evaluate on demand.

Used by bench_peers.py and bench_control.py. Needs nothing but Python.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TIMING = re.compile(r"^sd: timing:(.*)$", re.MULTILINE)


@dataclasses.dataclass
class Usage:
    """What a process took of the machine."""

    wall: float  # s
    cores: float  # CPU seconds per second
    peak_rss: float  # GiB
    peak_anonymous: float  # GiB


@dataclasses.dataclass
class Measurement:
    """One draw by one program."""

    load: float  # s
    sample: float  # s, all UNet evaluations with what lies between
    evals: int
    decode: float  # s
    usage: Usage

    @property
    def per_eval(self) -> float:
        return self.sample / self.evals


class _AnonymousPeak(threading.Thread):
    """Watches the anonymous memory of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.kib = 0

    def run(self) -> None:
        while True:
            try:
                found = re.search(r"RssAnon:\s+(\d+) kB", self.status.read_text())
            except OSError:  # the process has gone
                return
            if found is None:  # a zombie has no memory
                return
            self.kib = max(self.kib, int(found[1]))
            time.sleep(0.05)


def environment_for(threads: int) -> dict[str, str]:
    """That of this process, with the number of threads that OpenMP and MKL are to use."""
    return os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def run_measured(command: list[str], threads: int, limit: float) -> tuple[str, str, Usage]:
    """Runs a command; returns stdout, stderr and what it used. Raises RuntimeError if it fails,
    TimeoutError with what it has said so far after `limit` seconds."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment_for(threads))
        watch = _AnonymousPeak(process.pid)
        watch.start()
        expired = threading.Event()
        timer = threading.Timer(limit, lambda: (expired.set(), process.kill()))
        timer.start()
        # Not process.wait: wait4 tells this child's peak memory, not that of the largest ever.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        wall = time.monotonic() - begin
        watch.join()
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    if expired.is_set():
        raise TimeoutError(f"'{command[0]}' took more than {limit:g} s:\n{stderr[-2000:]}")
    if process.returncode != 0:
        raise RuntimeError(
            f"'{' '.join(command)}' failed ({process.returncode}):\n{stderr[-2000:]}"
        )
    cores = (usage.ru_utime + usage.ru_stime) / wall
    return stdout, stderr, Usage(wall, cores, usage.ru_maxrss / 2**20, watch.kib / 2**20)


def parse_timing(stderr: str) -> dict[str, float]:
    """The numbers of sd's line `sd: timing: load=1.2s sample=3.4s evals=5 decode=0.6s`."""
    line = TIMING.search(stderr)
    if line is None:
        raise RuntimeError(f"sd printed no 'sd: timing:' line:\n{stderr[-2000:]}")
    numbers = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", line[1])}
    missing = {"load", "sample", "evals", "decode"} - numbers.keys()
    if missing:
        raise RuntimeError(f"sd's timing line lacks {', '.join(sorted(missing))}: {line[0]}")
    return numbers


class Server:
    """A child that stays loaded, takes a word a line and answers each with a line of JSON; between
    two words it computes nothing."""

    def __init__(self, command: list[str], threads: int, limit: float) -> None:
        self.command = command
        self.limit = limit
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment_for(threads),
        )

    def ask(self, word: str) -> dict:
        """Its answer. Raises RuntimeError if it fails or takes longer than the limit."""
        timer = threading.Timer(self.limit, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            self.errors.seek(0)
            raise RuntimeError(
                f"'{' '.join(self.command)}' gave no answer to '{word}' in {self.limit:g} s, or "
                f"failed:\n{self.errors.read()[-2000:]}"
            )
        return json.loads(line)

    def close(self) -> None:
        """Lets it end."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.errors.close()
