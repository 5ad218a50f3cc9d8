"""The work of scripts/sbom.sh. print PREFIX SOURCES: the bill of materials of an installation; check FILE: whether one is
well-formed."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

# Compiled into the program: Debian packages of headers, by scripts/packages.txt.
COMPILED_IN = ("libcli11-dev", "nlohmann-json3-dev", "libtomlplusplus-dev", "libstb-dev")
# What the program carries that is no code: name, version, licence, where it comes from.
DATA = (("clip-merges", "openai", "MIT", "https://github.com/openai/CLIP"),
        ("bert-vocabulary", "bert-base-uncased", "Apache-2.0", "https://github.com/google-research/bert"),
        ("dejavu-label-glyphs", "2.37", "Bitstream-Vera", "https://dejavu-fonts.github.io/"))
PYPI_LICENCES = {"torch": {"license": {"id": "BSD-3-Clause"}}}
NVIDIA_LICENCE = {"license": {"name": "NVIDIA proprietary", "url": "https://docs.nvidia.com/cuda/eula/"}}


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def output_of(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def wheels(prefix, sources):
    """LibTorch and NVIDIA's wheels whose libraries are installed."""
    lib = prefix / "lib" / "sd"
    if not (lib / "torch").is_dir():
        return []
    cuda = (lib / "nvidia" / "cudnn").is_dir()
    found, section = [], ""
    for line in (sources / "scripts" / "versions.txt").read_text().splitlines():
        if opened := re.match(r"# \[(\w+)\]", line):
            section = opened[1]
        if not (pinned := re.match(r"(\S+)==(\S+) --hash=sha256:(\w+)", line)):
            continue
        if section == "cpu" or (section == "cuda" and cuda):
            name, version, digest = pinned.groups()
            found.append({"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name, "version": version,
                          "purl": f"pkg:pypi/{name}@{version}", "licenses": [PYPI_LICENCES.get(name, NVIDIA_LICENCE)],
                          "externalReferences": [{"type": "distribution", "url": f"https://pypi.org/project/{name}/{version}/",
                                                  "hashes": [{"alg": "SHA-256", "content": digest}]}]})
    return found


def loaded_libraries(prefix):
    """The system's libraries that the installed files load, those of others too."""
    own = [prefix / "bin" / "sd", *sorted((prefix / "lib").glob("libsd.so")), *sorted((prefix / "lib" / "sd").glob("*.so"))]
    found = set()
    for line in output_of("ldd", *map(str, own)).splitlines():
        place = re.search(r"(?:=> |^\s*)(/.+) \(0x", line)
        if place and not pathlib.Path(place[1]).resolve().is_relative_to(prefix):
            found.add(os.path.realpath(place[1]))
    return sorted(found)


def package_of(path):
    """The Debian package that a file belongs to. On merged systems it is known by its place under / or under /usr."""
    for name in (path, path.removeprefix("/usr")):
        answer = subprocess.run(("dpkg-query", "-S", name), capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout.split(": ")[0].split(",")[0]
    return None


def debian_licences(package):
    """The licences of most of a package, as its copyright file says; its text where that has another form."""
    path = pathlib.Path("/usr/share/doc") / package.split(":")[0] / "copyright"
    if not path.exists():
        return [{"license": {"name": "see the package"}}]
    names = re.findall(r"^License: *(\S.*)$", path.read_text(errors="replace"), re.MULTILINE)
    return [{"license": {"name": names[0] if names else f"see {path}"}}]


def debian_component(package, how):
    name, version, architecture = output_of("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Architecture}", package).split("\t")
    purl = f"pkg:deb/debian/{name}@{version.replace(':', '%3A').replace('+', '%2B')}?arch={architecture}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "licenses": debian_licences(package),
            "properties": [{"name": "sd:how", "value": how}]}


def debian_packages(prefix):
    packages = {}
    for library in loaded_libraries(prefix):
        package = package_of(library)
        if package is None:
            raise SystemExit(f"sbom: {library} belongs to no Debian package")
        packages.setdefault(package, "loaded")
    for package in COMPILED_IN:
        if subprocess.run(("dpkg-query", "-s", package), capture_output=True).returncode == 0:
            packages.setdefault(package, "compiled in")
    return [debian_component(package, how) for package, how in sorted(packages.items())]


def data():
    return [{"type": "data", "bom-ref": f"data:{name}", "name": name, "version": version, "licenses": [{"license": {"id": licence}}],
             "externalReferences": [{"type": "website", "url": url}]} for name, version, licence, url in DATA]


def installed_files(prefix):
    """Those that are the installation's own: its folders may be shared with other programs, as /usr/local is."""
    places = ("bin/sd", "lib/sd", *sorted(str(path.relative_to(prefix)) for path in prefix.glob("lib/libsd.so*")), "lib/cmake/sd",
              "include/sd", "share/sd", "share/man/man1/sd.1", "share/bash-completion/completions/sd",
              "share/zsh/site-functions/_sd", "share/fish/vendor_completions.d/sd.fish")
    found = []
    for place in places:
        start = prefix / place
        found += [start] if start.is_file() else [path for path in start.rglob("*") if path.is_file()]
    return [{"type": "file", "bom-ref": f"file:{path.relative_to(prefix)}", "name": str(path.relative_to(prefix)),
             "hashes": [{"alg": "SHA-256", "content": sha256(path)}]} for path in sorted(found)]


def bill(prefix, sources):
    version = output_of(str(prefix / "bin" / "sd"), "--version").split()[-1]
    program = {"type": "application", "bom-ref": f"sd@{version}", "name": "sd", "version": version,
               "licenses": [{"license": {"id": "Apache-2.0"}}]}
    parts = wheels(prefix, sources) + debian_packages(prefix) + data()
    components = parts + installed_files(prefix)
    when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.datetime.now().timestamp()), datetime.timezone.utc)
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5",
            "serialNumber": f"urn:uuid:{number}", "version": 1,
            "metadata": {"timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "tools": {"components": [{"type": "application", "name": "scripts/sbom.sh", "version": version}]}, "component": program},
            "components": components,
            "dependencies": [{"ref": program["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}]}


def problems(found):
    """What the standard does not allow, or what would make a bill useless, in words."""
    def wrong(holds, what):
        return [] if holds else [what]

    words = wrong(found.get("bomFormat") == "CycloneDX" and found.get("specVersion") == "1.5", "it is no CycloneDX 1.5")
    words += wrong(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", found.get("serialNumber", "")), "its serial number")
    words += wrong(isinstance(found.get("version"), int) and found["version"] >= 1, "its version")
    words += wrong(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.get("metadata", {}).get("timestamp", "")), "its time")
    program = found.get("metadata", {}).get("component", {})
    words += wrong(program.get("type") == "application" and program.get("version"), "the program that it is of")
    components = found.get("components", [])
    refs = [component.get("bom-ref") for component in components] + [program.get("bom-ref")]
    words += wrong(len(set(refs)) == len(refs) and all(refs), "references that are not one each")
    for component in components:
        name = component.get("name", "?")
        words += wrong(component.get("type") in ("library", "application", "file", "data", "framework"), f"{name}: its type")
        words += wrong(component["type"] == "file" or (component.get("version") and component.get("licenses")), f"{name}: no version or licence")
        words += wrong(component["type"] != "library" or re.match(r"pkg:\w+/[^@ ]+@[^@ ]+$", component.get("purl", "")), f"{name}: its purl")
        for digest in component.get("hashes", []):
            words += wrong(digest.get("alg") == "SHA-256" and re.fullmatch(r"[0-9a-f]{64}", digest.get("content", "")), f"{name}: its hash")
        for licence in component.get("licenses", []):
            words += wrong(len(licence.get("license", {}).keys() & {"id", "name"}) == 1, f"{name}: a licence has one of id and name")
    for dependency in found.get("dependencies", []):
        words += [f"a dependency on {ref}, which is not there" for ref in [dependency["ref"], *dependency["dependsOn"]] if ref not in refs]
    return words


def main(command, *words):
    if command == "print":
        print(json.dumps(bill(pathlib.Path(words[0]), pathlib.Path(words[1])), indent=1))
        return 0
    found = problems(json.loads(pathlib.Path(words[0]).read_text()))
    for problem in found:
        print(f"sbom: {words[0]}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
