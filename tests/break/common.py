"""What the scripts of this folder share: their options, counting, and running `sd` with a time limit.

A script is a list of trials. Trial number i of seed S is always the same one (`trial_random`), so that a failure can be tried
again alone: `--seed S --first i --count 1`. Only the standard library is used.

    def trial(bench, number, random):
        outcome = bench.sd("info", path)
        bench.expect(outcome.code == 5, "a missing file ends with 5", outcome)

    sys.exit(common.main(__doc__, trial, count=20))
"""

import argparse
import contextlib
import hashlib
import os
import pathlib
import random as random_module
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The ends that `sd` promises (docs/output.md, "Exit codes"); 130 and 143 are those of Ctrl-C and `kill`.
PROMISED_CODES = (0, 2, 3, 4, 5, 6, 130, 143)


class Outcome:
    """How one process ended. `code` is negative for a signal, as in `subprocess`, and None after the time limit."""

    def __init__(self, words, code, stdout, stderr, seconds):
        self.words = [str(word) for word in words]
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds

    @property
    def timed_out(self):
        return self.code is None

    @property
    def crashed(self):
        """True for a signal, also one that a shell reports as 128 + N, other than Ctrl-C's and `kill`'s."""
        return self.code is not None and (self.code < 0 or (self.code >= 128 and self.code not in PROMISED_CODES))

    def __str__(self):
        end = "time limit" if self.timed_out else f"code {self.code}"
        said = self.stderr.decode("utf-8", "replace").strip() or "(silent)"
        return f"$ {' '.join(self.words)}\n    {end}, {self.seconds:.1f} s: {said[-600:]}"


class Failure(Exception):
    """A trial that did not hold."""


class Bench:
    """One trial's folder and tools."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder

    def sd(self, *words, **how):
        """Runs `sd`; see `run`."""
        return self.run([self.options.sd, *words], **how)

    def run(self, words, *, limit=None, cwd=None, env=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, before=None):
        """Runs a program to its end, or kills it and its children after `limit` seconds. `env` is added to ours;
        `before` runs in the child before the program (limits, closed descriptors)."""
        start = time.monotonic()
        with self.start(words, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, before=before) as process:
            try:
                out, err = process.communicate(timeout=limit or self.options.limit)
                code = process.returncode
            except subprocess.TimeoutExpired:
                kill_group(process)
                out, err = process.communicate()
                code = None
        return Outcome(words, code, out or b"", err or b"", time.monotonic() - start)

    def start(self, words, *, cwd=None, env=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
              stderr=subprocess.PIPE, before=None):
        """Starts a program in a process group of its own and does not wait for it."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SD_")}
        own.update(XDG_CONFIG_HOME=str(self.folder / ".config"), XDG_CACHE_HOME=str(self.folder / ".cache"),
                   OMP_NUM_THREADS="1")
        own.update({name: str(value) for name, value in (env or {}).items()})
        return subprocess.Popen([str(word) for word in words], cwd=cwd or self.folder, env=own, stdin=stdin,
                                stdout=stdout, stderr=stderr, preexec_fn=before, start_new_session=True)

    def expect(self, holds, what, outcome=None):
        """Ends the trial as failed unless `holds`."""
        if not holds:
            raise Failure(f"not so: {what}" + (f"\n{outcome}" if outcome is not None else ""))

    def expect_honest(self, outcome, codes=PROMISED_CODES):
        """A run has one of `codes`, raised no signal, did not hang, and said a word where it failed."""
        self.expect(not outcome.timed_out, "it ends", outcome)
        self.expect(not outcome.crashed, "it raises no signal", outcome)
        self.expect(outcome.code in codes, f"its exit code is one of {tuple(codes)}", outcome)


def kill_group(process):
    """Ends a process started by `Bench.start` and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def tree(folder, leave_out=()):
    """Each file below `folder` by its relative path, with the SHA-256 of its bytes (a link: where it leads)."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        if name in leave_out or (path.is_dir() and not path.is_symlink()):
            continue
        found[name] = f"-> {os.readlink(path)}" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def differences(found, expected):
    """What tells two trees apart, in words; empty if they are equal."""
    words = [f"missing: {name}" for name in expected.keys() - found.keys()]
    words += [f"too much: {name}" for name in found.keys() - expected.keys()]
    words += [f"other bytes: {name}" for name in found.keys() & expected.keys() if found[name] != expected[name]]
    return sorted(words)


def temporary_files(folder):
    """Files and folders below `folder` that have a name of the program's unfinished files."""
    return sorted(str(path) for path in pathlib.Path(folder).rglob(".sd-*"))


def trial_random(seed, number):
    """Random numbers of one trial, whatever trials ran before it."""
    return random_module.Random(f"{seed}/{number}")


def parse_options(description, count, argv=None, add=None):
    """The options that every script has, and those that `add(parser)` adds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="which trials (default 0)")
    parser.add_argument("--count", type=int, default=count, help=f"how many trials (default {count})")
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial (default 0)")
    parser.add_argument("--sd", type=pathlib.Path, default=ROOT / "build" / "sd", help="the program (default build/sd)")
    parser.add_argument("--model", type=pathlib.Path, help="a small checkpoint (default: that of the tests, in the build folder of the program)")
    parser.add_argument("--limit", type=float, default=60, help="seconds after which a run counts as hung (default 60)")
    parser.add_argument("--keep", action="store_true", help="leave the folders of failed trials")
    if add is not None:
        add(parser)
    options = parser.parse_args(argv)
    options.sd = options.sd.resolve()
    options.data = options.sd.parent / "tests" / "data"
    options.model = (options.model or options.data / "tiny-v1.ckpt").resolve()
    for path in (options.sd, options.model):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    return options


def main(description, trial, count, add=None):
    """Runs `trial(bench, number, random)` for each number, prints failures and, last, the counts. Returns the exit code."""
    options = parse_options(description, count, add=add)
    passed = failed = 0
    for number in range(options.first, options.first + options.count):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sd-break-")).resolve()
        try:
            trial(Bench(options, folder), number, trial_random(options.seed, number))
            passed += 1
            failure = None
        except Failure as error:
            failed += 1
            failure = error
            print(f"trial {number} of seed {options.seed}: {error}", flush=True)
        if failure is not None and options.keep:
            print(f"    left: {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"tried {passed + failed}, passed {passed}, failed {failed}", flush=True)
    return 1 if failed else 0
