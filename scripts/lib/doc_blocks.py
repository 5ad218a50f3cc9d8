#!/usr/bin/env python3
"""Runs the commands that the documentation shows.

    scripts/lib/doc_blocks.py                      README.md and docs/*.md
    scripts/lib/doc_blocks.py --part 1/2           half of the pages; 2/2 is the other half
    scripts/lib/doc_blocks.py --list PAGE…         says what would be run, and what would not and why

A command is a line of a block that begins with ```sh. The blocks of a page run from top to bottom in one scratch folder, which looks
like the top folder of a clone that was built (--build DIR). Files that a reader would have, such as photo.png, are there under
the names in STAND_INS.

What runs is a copy with fewer sampling steps: `--steps 25` becomes `--steps 2`, which each block's line of output says. Options that a command
leaves out come from the environment (DEFAULTS). Pages stay as the reader sees them.

A comment before a block says why it cannot run: <!-- not run: REASON --> or <!-- not run: REASON (detail) -->, with a REASON of REASONS.
<!-- not run: another test runs it (NAME) --> must give the name of that test, which a file in tests/ holds. A page whose blocks another
test runs says so once: <!-- this page's blocks are run by: NAME -->; a file in tests/ must name both.

Exit codes: 0 all ran, 1 a command failed, 2 a page or an argument is wrong.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
REASONS = (
    "another test runs it",
    "builds the program",
    "installs outside the folder",
    "installs packages",
    "needs a cluster",
    "needs a full-size model",
    "needs a GPU",
    "needs a model that is not here",
    "needs a terminal that shows pictures",
    "runs for minutes",
    "trains for hours",
)
OTHER_LANGUAGES = ("", "c", "cmake", "cpp", "json", "text", "toml", "yaml")
STEPS = 2
SECONDS_A_BLOCK = 300
DEFAULTS = {
    "SD_DDIM_STEPS": str(STEPS),
    "SD_N_SAMPLES": "1",
    "SD_N_ITER": "1",
    "SD_DEVICE": "cpu",
    "SD_THREADS": "1",
    "GOMP_SPINCOUNT": "1000",
}
LINKED = ("assets", "configs", "models", "scripts")


def demo_weights(folder: pathlib.Path, target: pathlib.Path) -> None:
    """The demo model under the name of another; readers tell formats by content."""
    target.symlink_to(ROOT / "models/demo/model.safetensors")
    target.with_suffix(".yaml").symlink_to(ROOT / "models/demo/model.yaml")


def diffusers_folder(folder: pathlib.Path, target: pathlib.Path) -> None:
    subprocess.run([folder / "build/sd", "convert", ROOT / "models/demo", target], check=True, capture_output=True)


def picture(folder: pathlib.Path, target: pathlib.Path) -> None:
    target.symlink_to(ROOT / "assets/examples/edit-start.png")


def prompts(folder: pathlib.Path, target: pathlib.Path) -> None:
    target.write_text("a red apple on a white background\na cat on a blue background\na penguin on a green background\n")


STAND_INS = {
    "cat.png": picture,
    "model.ckpt": demo_weights,
    "path/to/diffusers-folder": diffusers_folder,
    "photo.png": picture,
    "prompts.txt": prompts,
    "v1-5-pruned-emaonly.safetensors": demo_weights,
    "v1-5-pruned.ckpt": demo_weights,
}


class PageError(Exception):
    """A page that says something this script does not understand."""


@dataclasses.dataclass
class Block:
    line: int  # of its first command, from 1
    text: str
    reason: str  # why it is not run; empty if it is


@dataclasses.dataclass
class Page:
    path: pathlib.Path
    blocks: list
    run_by: str = ""

    @property
    def name(self) -> str:
        return os.path.relpath(self.path, ROOT) if self.path.is_relative_to(ROOT) else str(self.path)

    def to_run(self) -> list:
        return [block for block in self.blocks if not block.reason and not self.run_by]

    def work(self) -> int:
        """About how long it takes: the starts of the program."""
        return sum(len(re.findall(r"build/sd ", block.text)) for block in self.to_run())


def is_in_tests(*words: str) -> bool:
    """Whether a file in tests/ holds all of these words."""
    sources = [file for file in (ROOT / "tests").rglob("*") if file.suffix in (".cpp", ".sh", ".py") or file.name == "CMakeLists.txt"]
    return any(all(word in text for word in words) for text in (file.read_text(encoding="utf-8") for file in sources))


def reason_in(comment: str, where: str) -> str:
    reason = comment.removeprefix("not run:").strip()
    kind, detail = re.fullmatch(r"(.*?)(?: \((.*)\))?", reason).groups()
    if kind not in REASONS:
        raise PageError(f"{where}: unknown reason \"{reason}\"\n    Known: {', '.join(REASONS)}")
    if kind == "another test runs it" and not (detail and is_in_tests(detail)):
        raise PageError(f"{where}: \"{kind} (NAME)\" must give the name of a test; no file in tests/ holds \"{detail or ''}\"")
    return reason


def read_page(path: pathlib.Path) -> Page:
    """Its blocks of commands. Throws PageError for what would otherwise pass unnoticed."""
    page = Page(path, [])
    lines = path.read_text(encoding="utf-8").splitlines()
    reason, at = "", 0
    while at < len(lines):
        line, where = lines[at], f"{page.name}:{at + 1}"
        at += 1
        comment = re.fullmatch(r"\s*<!--\s*(.*?)\s*-->\s*", line)
        if comment and comment[1].startswith("not run:"):
            reason = reason_in(comment[1], where)
            continue
        if comment and comment[1].startswith("this page's blocks are run by:"):
            page.run_by = comment[1].split(":", 1)[1].strip()
            continue
        fence = re.match(r"(\s*)```\s*(.*?)\s*$", line)
        if not fence:
            if reason and line.strip():
                raise PageError(f"{where}: \"not run\" stands before something else than a block of commands")
            continue
        first, language = at + 1, fence[2]
        while at < len(lines) and not re.fullmatch(r"\s*```\s*", lines[at]):
            at += 1
        if at == len(lines):
            raise PageError(f"{where}: this block is never closed")
        text = "\n".join(lines[first - 1 : at]) + "\n"
        at += 1
        if language == "sh":
            if fence[1]:
                raise PageError(f"{where}: a block of commands must begin at the start of the line")
            page.blocks.append(Block(first, text, reason))
        elif language not in OTHER_LANGUAGES:
            raise PageError(f"{where}: unknown kind of block \"{language}\"; commands stand in ```sh")
        elif reason:
            raise PageError(f"{where}: \"not run\" stands before a block that is none of commands")
        reason = ""
    if reason:
        raise PageError(f"{page.name}: \"not run\" stands before nothing")
    check(page)
    return page


def check(page: Page) -> None:
    for block in page.blocks:
        parsed = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
        if parsed.returncode != 0 or parsed.stderr:
            raise PageError(f"{page.name}:{block.line}: no commands of a shell\n    {parsed.stderr.strip()}")
    if page.run_by and not is_in_tests(page.run_by, page.name):
        raise PageError(f"{page.name}: no file in tests/ names both {page.run_by} and {page.name}")


def shortened(text: str) -> tuple:
    """The commands with fewer steps, and the numbers that were replaced."""
    replaced = []

    def cut(match):
        if int(match[2]) <= STEPS:
            return match[0]
        replaced.append(match[2])
        return f"{match[1]}{STEPS}"

    return re.sub(r"((?:--(?:ddim_)?steps[ =]|\"(?:ddim_)?steps\": ))(\d+)\b", cut, text), replaced


def prepare(folder: pathlib.Path, build: pathlib.Path) -> None:
    (folder / "build").symlink_to(build)
    (folder / "home").mkdir()
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)


def put_stand_ins(folder: pathlib.Path, text: str) -> None:
    for name, make in STAND_INS.items():
        target = folder / name
        if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])", text) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            make(folder, target)


def run_block(page: Page, block: Block, folder: pathlib.Path) -> bool:
    put_stand_ins(folder, block.text)
    text, replaced = shortened(block.text)
    failed_at = folder / "home/failed_at"
    script = folder / "home/block.sh"
    # One line before the block's first, so that bash counts the block's lines from 2.
    script.write_text(f"set -Eeuo pipefail; trap 'echo \"$LINENO\" >\"{failed_at}\"' ERR\n{text}", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SD_", "XDG_"))}
    environment |= DEFAULTS | {"HOME": str(folder / "home")}
    start = time.monotonic()
    try:
        ended = subprocess.run(
            ["bash", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS_A_BLOCK,
        )
        code, said = ended.returncode, ended.stdout
    except subprocess.TimeoutExpired as expired:
        code, said = f"none: it ran longer than {SECONDS_A_BLOCK} s", expired.stdout or b""
    seconds = f"{time.monotonic() - start:.1f} s"
    if code == 0:
        fewer = f" with {STEPS} steps instead of {', '.join(replaced)}" if replaced else ""
        print(f"{page.name}:{block.line}: ran{fewer}, {seconds}", flush=True)
        return True
    line = int(failed_at.read_text()) - 1 if failed_at.exists() else 1
    print(f"{page.name}:{block.line + line - 1}: FAILED, exit code {code}")
    print(f"    {text.splitlines()[line - 1]}")
    for output in said.decode(errors="replace").splitlines()[-25:]:
        print(f"    | {output}")
    sys.stdout.flush()
    failed_at.unlink(missing_ok=True)
    return False


def run_page(page: Page, build: pathlib.Path) -> bool:
    """Runs every block, also behind one that failed."""
    with tempfile.TemporaryDirectory(prefix="sd-docs-") as name:
        folder = pathlib.Path(name)
        prepare(folder, build)
        return all([run_block(page, block, folder) for block in page.to_run()])


def share(pages: list, part: int, parts: int) -> list:
    """Pages of one part: the longest first, each to the part that has least."""
    loads = [0] * parts
    mine = []
    for page in sorted(pages, key=lambda page: (-page.work(), page.name)):
        least = loads.index(min(loads))
        loads[least] += page.work()
        if least == part - 1:
            mine.append(page)
    return mine


def part_of(text: str) -> tuple:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text} is no part such as 1/2")
    return int(match[1]), int(match[2])


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the commands of the documentation on the demo model.")
    parser.add_argument("pages", nargs="*", type=pathlib.Path, metavar="PAGE", help="Markdown files (README.md, docs/*.md)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with sd (build)")
    parser.add_argument("--part", type=part_of, default=(1, 1), metavar="I/N", help="run only this share of the pages")
    parser.add_argument("--list", action="store_true", help="run nothing; say what would be")
    given = parser.parse_args()
    paths = given.pages or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    try:
        pages = share([read_page(path.resolve()) for path in paths], *given.part)
    except (PageError, OSError, UnicodeDecodeError) as error:
        print(error)
        return 2
    if given.list:
        for page in pages:
            for block in page.blocks:
                reason = block.reason or (f"run by {page.run_by}" if page.run_by else "")
                print(f"{page.name}:{block.line}: {'not run: ' + reason if reason else 'run'}")
        return 0
    return 0 if all([run_page(page, given.build.resolve()) for page in pages]) else 1


if __name__ == "__main__":
    sys.exit(main())
