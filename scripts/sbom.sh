#!/usr/bin/env bash
# Prints what an installation holds, as a CycloneDX 1.5 bill of materials (JSON): the program, LibTorch and NVIDIA's libraries as
# scripts/versions.txt pins them, the Debian packages whose libraries it loads or that are compiled in, the data in it, and the
# SHA-256 of every file.
#
#   scripts/sbom.sh PREFIX > sd.cdx.json       # PREFIX as given to `cmake --install build --prefix PREFIX`
#   scripts/sbom.sh --check sd.cdx.json        # whether a bill is well-formed
#
# SOURCE_DATE_EPOCH fixes its time; all else depends on the installation alone. Needs Debian's dpkg, ldd and python3.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  --check)
    [[ $# -eq 2 && -r $2 ]] || { usage >&2; exit 2; }
    exec python3 "$sd_root/scripts/lib/sbom.py" check "$2"
    ;;
esac
[[ $# -eq 1 && $1 != -* ]] || { usage >&2; exit 2; }
[[ -x $1/bin/sd ]] || sd_exit=5 die "$1 holds no bin/sd" "Install first: cmake --install build --prefix $1"
command -v dpkg-query >/dev/null || die "dpkg-query is missing: versions and licences are read from Debian's packages"
exec python3 "$sd_root/scripts/lib/sbom.py" print "$(realpath "$1")" "$sd_root"
