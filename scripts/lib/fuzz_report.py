"""fuzz_report.py SUMMARY SOURCES AIM: prints clang's coverage summary folder by folder; exits 1 where a folder is below AIM."""

import collections
import json
import pathlib
import sys

READERS = ("weights", "image", "text")


def percent(reached, lines):
    return 100 * reached / lines if lines else 100


def main(summary, sources, aim):
    rooms = collections.defaultdict(list)
    for file in json.loads(pathlib.Path(summary).read_text())["data"][0]["files"]:
        path = pathlib.Path(file["filename"]).resolve()
        if not path.is_relative_to(sources):
            continue
        path = path.relative_to(sources)
        lines = file["summary"]["lines"]
        if lines["count"]:
            rooms[path.parts[0]].append((path.name, lines["covered"], lines["count"]))
    low = []
    for room in READERS:
        files = sorted(rooms[room], key=lambda file: percent(file[1], file[2]))
        reached, lines = sum(file[1] for file in files), sum(file[2] for file in files)
        print(f"src/{room}: {reached} of {lines} lines, {percent(reached, lines):.1f} %")
        for name, file_reached, file_lines in files:
            print(f"    {percent(file_reached, file_lines):5.1f} %  {file_reached:4} of {file_lines:4}  {name}")
        linked = {file[0] for file in files}
        outside = sorted(path.name for path in (sources / room).glob("*.cpp") if path.name not in linked)
        if outside:
            print(f"    in no target, and not counted: {', '.join(outside)}")
        if percent(reached, lines) < aim:
            low.append(f"src/{room}")
    if low:
        print(f"below {aim} %: {', '.join(low)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), float(sys.argv[3])))
