#!/usr/bin/env bash
# Installs the program into a scratch folder with a strict umask, moves the folder, and draws with it, where root runs this as
# another user, who cannot see root's home. usage: install_test.sh CMAKE BUILD_FOLDER
set -euo pipefail
cmake="$1" build="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
(umask 077 && "$cmake" --install "$build" --prefix "$work/built/prefix" >"$work/log" 2>&1) || { cat "$work/log"; exit 1; }
[[ -n $(find "$work/built" -maxdepth 0 -perm -o=x) ]] || { echo "the folder above the prefix was made private"; exit 1; }
mv "$work/built/prefix" "$work/prefix"

# Other users may enter and read all of it, whatever the umask was.
closed="$(find "$work/prefix" -not -perm -o=r -o -type d -not -perm -o=x)"
[[ -z $closed ]] || { printf 'other users cannot read:\n%s\n' "$closed"; exit 1; }

# Nothing that is installed looks for libraries where they were built or unpacked.
for library in "$work"/prefix/bin/sd "$work"/prefix/lib/sd/*.so; do
  if readelf -d "$library" | grep -E '\((RUNPATH|RPATH)\)' | grep -qE '\[/|:/|::|:\]'; then
    echo "$library has a run path that is not relative to it:"
    readelf -d "$library" | grep -E '\((RUNPATH|RPATH)\)'
    exit 1
  fi
done

# The bill of materials knows all of it: every file, LibTorch, and the system's libraries.
scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/scripts"
"$scripts/sbom.sh" "$work/prefix" >"$work/bill.json"
"$scripts/sbom.sh" --check "$work/bill.json"
python3 - "$work/bill.json" "$work/prefix" <<'PY'
import json, pathlib, sys
bill, prefix = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2])
named = {part["name"] for part in bill["components"]}
files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
for name in sorted(files - named) + sorted({"torch", "libpng16-16", "libc6", "libcli11-dev", "clip-merges"} - named):
    sys.exit(f"the bill of materials does not know {name}")
PY

mkdir "$work/out"
as=()
if [[ $(id -u) -eq 0 ]]; then
  chmod 755 "$work"
  chown 65534:65534 "$work/out"
  as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
fi
cd "$work/out"
"${as[@]}" env -u LD_LIBRARY_PATH HOME="$work/out" "$work/prefix/bin/sd" txt2img --prompt "a blue cat" --steps 1 \
  --n_samples 1 --n_iter 1 --skip_grid --device cpu --no-config --outdir "$work/out/pictures" >"$work/drawn" 2>&1 || {
  cat "$work/drawn"
  echo "the installed program does not draw"
  exit 1
}
[[ -s $work/out/pictures/samples/00000.png ]] || { cat "$work/drawn"; echo "no picture was written"; exit 1; }
