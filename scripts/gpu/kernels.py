#!/usr/bin/env python3
"""Shows what the machine code of our GPU kernels needs: registers, shared memory, stack and spills of
each kernel for each architecture, and which architectures and PTX the library holds. Exits with 1 if
a kernel has a stack frame or spills, or if an architecture is missing that nvcc knows; with 77 if
there is no tool or no library to look with or at.

Needs cuobjdump: of $CUOBJDUMP, of the PATH, of the CUDA toolkit, or of the Python's Triton.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)  # those of src/cuda/CMakeLists.txt
LEFT_OUT = 77
USE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")


def left_out(reason: str) -> NoReturn:
    print(f"kernels: left out: {reason}", file=sys.stderr)
    sys.exit(LEFT_OUT)


def tool(name: str) -> str | None:
    """A program of the CUDA toolkit."""
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    folders = [Path(home) / "bin" for home in (*homes, "/usr/local/cuda") if home]
    triton = importlib.util.find_spec("triton")
    if triton is not None and triton.submodule_search_locations:
        folders += [
            Path(place) / "backends" / "nvidia" / "bin" for place in triton.submodule_search_locations
        ]
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    return os.environ.get(name.upper()) or shutil.which(name, path=path)


def output(*command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        sys.exit(f"kernels: {' '.join(words)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def short_names(mangled: set[str]) -> dict[str, str]:
    """Names for people: `apply_norm<half>`. Mangled where there is no c++filt."""
    ordered = sorted(mangled)
    plain = ordered
    if shutil.which("c++filt"):
        done = subprocess.run(["c++filt"], input="\n".join(ordered), capture_output=True, text=True)
        plain = done.stdout.split("\n") if done.returncode == 0 else ordered
    found = {}
    for name, readable in zip(ordered, plain):
        readable = re.sub(r"^void |\(anonymous namespace\)::|\bsd::cuda::|_GLOBAL__N__\w+::", "", readable)
        depth, end = 0, len(readable)
        for i, letter in enumerate(readable):  # up to the parameters
            depth += {"<": 1, ">": -1}.get(letter, 0)
            if letter == "(" and depth == 0:
                end = i
                break
        found[name] = readable[:end].replace("__nv_bfloat16", "bf16").replace("__half", "half")
    return found


def uses(dump: str) -> dict[str, dict[int, tuple[int, int, int, int]]]:
    """Of each kernel and architecture: registers, stack, shared and local bytes."""
    found: dict[str, dict[int, tuple[int, int, int, int]]] = {}
    architecture, kernel = 0, ""
    for line in dump.splitlines():
        if match := re.match(r"arch = sm_(\d+)", line):
            architecture = int(match[1])
        elif match := re.match(r"\s*Function (\S+?):$", line):
            kernel = match[1]
        elif kernel and (match := USE.search(line)):
            found.setdefault(kernel, {})[architecture] = tuple(int(n) for n in match.groups())
            kernel = ""
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    root = Path(__file__).parents[2]
    parser.add_argument("library", type=Path, nargs="?", default=root / "build" / "libsd_cuda.so")
    library = parser.parse_args().library
    nvcc, dumper = tool("nvcc"), tool("cuobjdump")
    if not library.is_file():
        left_out(f"{library} is not there: " + ("build sd_cuda" if nvcc else "it needs nvcc of a CUDA toolkit"))
    if not dumper:
        left_out("no cuobjdump: put it into the PATH or name it in CUOBJDUMP")

    found = uses(output(dumper, "--dump-resource-usage", library))
    names = short_names(set(found))
    has = {int(n) for n in re.findall(r"\.sm_(\d+)\.cubin", output(dumper, "-lelf", library))}
    ptx = {int(n) for n in re.findall(r"\.sm_(\d+)\.ptx", output(dumper, "-lptx", library))}
    shown = sorted(has)
    print("registers, +bytes of shared memory, !bytes of stack or spills, for each architecture")
    width = max(map(len, names.values()), default=6)
    print(f"{'kernel':<{width}}" + "".join(f"{f'sm_{n}':>10}" for n in shown))
    broken = []
    for kernel in sorted(found, key=names.get):
        cells = []
        for architecture in shown:
            use = found[kernel].get(architecture)
            if use is None:
                broken.append(f"{names[kernel]} has no machine code for sm_{architecture}")
                cells.append("none")
                continue
            registers, stack, shared, local = use
            spilt = stack + local
            cells.append(f"{registers}" + (f"+{shared}" if shared else "") + (f"!{spilt}" if spilt else ""))
            if spilt:
                broken.append(f"{names[kernel]} for sm_{architecture}: stack {stack}, local memory {local} bytes")
        print(f"{names[kernel]:<{width}}" + "".join(f"{cell:>10}" for cell in cells))
    print(f"{len(found)} kernels; machine code for {', '.join(f'sm_{n}' for n in shown)}; "
          f"PTX of {', '.join(f'compute_{n}' for n in sorted(ptx)) or 'none'}")

    known = {int(n) for n in re.findall(r"sm_(\d+)$", output(nvcc, "--list-gpu-code"), re.M)} if nvcc else set(ARCHITECTURES)
    broken += [f"no machine code for sm_{n}, which nvcc knows" for n in ARCHITECTURES if n in known - has]
    if not found:
        broken.append(f"{library} holds no kernel")
    if not ptx:
        broken.append("no PTX for GPUs that are newer")
    for problem in broken:
        print(f"kernels: {problem}", file=sys.stderr)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
