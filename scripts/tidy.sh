#!/usr/bin/env bash
# Runs clang-tidy (bugprone, cert, performance: .clang-tidy) over the sources that changed since a commit.
#
#   scripts/tidy.sh BASE [--jobs N] [--seconds N]     # BASE: a commit or branch, such as origin/main; its own files: --all
#
# Files that need LibTorch take minutes each and are left out, as are tests; what was left out is said. With --seconds no file is
# begun after so long. Exit code 1: a finding. Needs clang-tidy; compile commands are those of build-fuzz/ (cmake --preset fuzz),
# since precompiled headers of g++ mean nothing to clang.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

base='' jobs="$(nproc)" seconds=0
while [[ $# -gt 0 ]]; do
  case "$1" in
    --jobs) jobs="${2:?--jobs needs a number}"; shift ;;
    --seconds) seconds="${2:?--seconds needs a number}"; shift ;;
    --all) base=all ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) base="$1" ;;
  esac
  shift
done
[[ -n $base && $jobs =~ ^[1-9][0-9]*$ && $seconds =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }
command -v clang-tidy >/dev/null || die "clang-tidy is missing" "Install Debian's clang-tidy."
cd "$sd_root"

commands=build-fuzz/compile_commands.json
[[ -e $commands ]] || cmake --preset fuzz >/dev/null || die "configuring the preset 'fuzz' failed" "scripts/setup.sh --fuzz installs clang."

if [[ $base == all ]]; then
  mapfile -t changed < <(git ls-files 'src/*.cpp')
else
  git rev-parse --verify --quiet "$base^{commit}" >/dev/null || sd_exit=2 die "$base is no commit here"
  mapfile -t changed < <(git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp')
fi
checked=() left=()
for file in "${changed[@]}"; do
  if grep -qF "/$file\"" "$commands"; then checked+=("$file"); else left+=("$file"); fi
done
if [[ ${#left[@]} -gt 5 ]]; then
  say "left out, as they need LibTorch: ${#left[@]} files"
elif [[ ${#left[@]} -gt 0 ]]; then
  say "left out, as they need LibTorch: ${left[*]}"
fi
if [[ ${#checked[@]} -eq 0 ]]; then
  say "nothing to check"
  exit 0
fi

# tidy FILE: its findings. What the compiler itself is told is not asked again, and its unknown options are no finding.
tidy() {
  if [[ $seconds -gt 0 && $(date +%s) -ge $until ]]; then
    say "not checked any more: $1"
    return
  fi
  clang-tidy --quiet -p build-fuzz --extra-arg=-Wno-everything --extra-arg=-Qunused-arguments "$1" 2>/dev/null
}
until=$(($(date +%s) + seconds))
export -f tidy say
export sd_me seconds until
printf '%s\0' "${checked[@]}" | xargs -0 -P "$jobs" -I{} bash -uo pipefail -c 'tidy {}' || die "clang-tidy found something, see above"
say "${#checked[@]} files, no finding"
