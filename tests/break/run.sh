#!/usr/bin/env bash
# Runs every script of this folder that tries to break `sd`, one after the other, and adds up what they counted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
usage: tests/break/run.sh --small | --long [--seed N] [--times N] [--sd PATH] [NAME…]
  --small    a few trials of each script, always the same ones: seconds each
  --long     each script's own count, or N runs of that, each by the next seed, with --times N
  --seed N   which trials (default: 0, with --long the seconds of the clock)
  --sd PATH  the program (default: build/sd)
  NAME       only these scripts, such as mutate.py
The last line adds all of them up. Exit code: 1 if a trial failed, or a script did.
TEXT
}

size='' seed='' times=1 sd=../../build/sd names=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --small | --long) size="${1#--}" ;;
    --seed) seed="${2:?--seed needs a number}"; shift ;;
    --times) times="${2:?--times needs a number}"; shift ;;
    --sd) sd="${2:?--sd needs a path}"; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) names+=("$1") ;;
  esac
  shift
done
[[ -n $size && ${seed:-0} =~ ^[0-9]+$ && $times =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
[[ -x $sd ]] || { echo "run.sh: $sd: no such program; build it, or name it with --sd" >&2; exit 2; }
sd="$(realpath "$sd")"
if [[ -z $seed ]]; then
  if [[ $size == small ]]; then seed=0; else seed="$(date +%s)"; fi
fi

# Scripts are those that call common.main; the others are what they share.
if [[ ${#names[@]} -eq 0 ]]; then
  mapfile -t names < <(grep -l 'common\.main(' -- *.py | grep -vx common.py)
fi
[[ ${#names[@]} -gt 0 ]] || { echo "run.sh: there is no script here" >&2; exit 2; }

# A script says how many of its trials take a few seconds: `CI_COUNT = N`.
small_count() { sed -nE 's/^CI_COUNT = ([0-9]+).*/\1/p' "$1" | head -n 1; }

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
tried=0 passed=0 failed=0 broken=()

# try_script NAME SEED [ARGUMENT…]: runs it and adds its counts.
try_script() {
  local name="$1" seed="$2" start=$SECONDS status=0 counts one two three
  shift 2
  python3 "./$name" --seed "$seed" --sd "$sd" "$@" >"$log" 2>&1 || status=$?
  counts="$(tail -n 1 "$log" | sed -nE 's/^tried ([0-9]+), passed ([0-9]+), failed ([0-9]+)$/\1 \2 \3/p')"
  if [[ -z $counts ]]; then
    cat "$log"
    echo "$name: ended with $status and without its counts"
    broken+=("$name")
    return
  fi
  read -r one two three <<<"$counts"
  tried=$((tried + one)) passed=$((passed + two)) failed=$((failed + three))
  if [[ $status -ne 0 ]]; then
    sed '$d' "$log"
    broken+=("$name")
  fi
  printf '%-22s seed %s: tried %s, passed %s, failed %s (%s s)\n' "$name" "$seed" "$one" "$two" "$three" "$((SECONDS - start))"
}

for name in "${names[@]}"; do
  if [[ $size == small ]]; then
    count="$(small_count "$name")"
    try_script "$name" "$seed" --count "${count:-3}"
  else
    for ((turn = 0; turn < times; ++turn)); do try_script "$name" $((seed + turn)); done
  fi
done
[[ ${#broken[@]} -eq 0 ]] || echo "not so: ${broken[*]}"
echo "tried $tried, passed $passed, failed $failed"
[[ ${#broken[@]} -eq 0 ]]
