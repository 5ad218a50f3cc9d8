#!/usr/bin/env python3
"""Compiles every public header by itself, as the first and only one of a file: headers_test.py BUILD_FOLDER C_COMPILER.

Flags are those of the build (compile_commands.json). Headers that see LibTorch are compiled behind the precompiled header of it, which
takes a fifth of the time; such a header must include LibTorch, itself or by another of ours. sd.h must be C99 too."""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
USES_TORCH = re.compile(r"\b(torch|at|c10)::")


def command_of(build, library, precompiled):
    """How the build compiles a file of a library, without what names its input and output; with or without the precompiled header."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if f"/{library}.dir/" in entry["command"] and entry["file"].endswith((".cpp", ".cxx")):
            break
    else:
        sys.exit(f"the build in {build} has no {library}")
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if re.search(r"(\+\+|g\+\+|clang\+\+)(-\d+)?$", word)):]
    kept, skip = [], 0
    for i, word in enumerate(words):
        if skip:
            skip -= 1
        elif word in ("-o", "-c"):
            skip = 1
        elif word == "-include":
            skip = 1
            if precompiled:
                kept += words[i:i + 2]
        elif word != "-Winvalid-pch":
            kept.append(word)
    return [*kept, "-fsyntax-only", "-x", "c++", "-"], entry["directory"]


def sees_torch(header, seen):
    """Whether a header includes LibTorch, itself or through others of ours."""
    if header in seen:
        return False
    seen.add(header)
    text = (INCLUDE / header).read_text()
    if re.search(r"^#include <(torch|ATen|c10)/", text, re.MULTILINE):
        return True
    return any(sees_torch(other, seen) for other in re.findall(r'^#include "(sd/[^"]+)"', text, re.MULTILINE))


def compile_alone(header, command, folder):
    compiled = subprocess.run(command, cwd=folder, input=f'#include "{header}"\n', text=True, capture_output=True)
    return None if compiled.returncode == 0 else f"{header} does not compile alone:\n{compiled.stderr}"


def main():
    build, c_compiler = pathlib.Path(sys.argv[1]), sys.argv[2]
    headers = sorted(str(path.relative_to(INCLUDE)) for path in (INCLUDE / "sd").rglob("*.h*"))
    plain = command_of(build, "sd_core", precompiled=False)
    behind_torch = command_of(build, "sd_pipeline", precompiled=True)
    problems, jobs = [], []
    for header in headers:
        torch = sees_torch(header, set())
        code = re.sub(r"//.*", "", (INCLUDE / header).read_text())
        if not torch and USES_TORCH.search(code):
            problems.append(f"{header} uses LibTorch and includes none of it")
        if not torch:
            jobs.append((header, *plain))
        else:
            jobs.append((header, *behind_torch))
    c99 = [c_compiler, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", str(INCLUDE), "-fsyntax-only", "-x", "c", "-"]
    jobs.append(("sd/sd.h", c99, str(build)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems += filter(None, pool.map(lambda job: compile_alone(*job), jobs))
    print("\n".join(problems) or f"{len(headers)} headers compile alone")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
