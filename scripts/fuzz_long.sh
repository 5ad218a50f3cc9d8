#!/usr/bin/env bash
# Fuzzes for long, target after target, and keeps count of what was run: one line a target and run in build-fuzz/executions.tsv
# (date, commit, target, runs, seconds), which --table sums up as docs/reliability.md has it.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=lib/fuzz.sh
source "$sd_root/scripts/lib/fuzz.sh"

usage() {
  cat <<'TEXT'
usage: scripts/fuzz_long.sh [--seconds N] [--jobs N] [--no-build] [--minimise] [--table] [TARGET…]
  --seconds N   budget of each target (default 3600)
  --jobs N      targets at a time (default: one a core)
  --no-build    with the targets that are in build-fuzz/
  --minimise    afterwards leave only inputs in build-fuzz/corpus that reach something new
  --table       only print the table of what was run so far
Runs on when one target finds something; exits with 1 then. The counts are those of runs without a finding, too.
TEXT
}

seconds=3600 jobs="$(nproc)" build=yes minimise=no table=no names=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --seconds) seconds="${2:?--seconds needs a number}"; shift ;;
    --jobs) jobs="${2:?--jobs needs a number}"; shift ;;
    --no-build) build=no ;;
    --minimise) minimise=yes ;;
    --table) table=yes ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) names+=("$1") ;;
  esac
  shift
done
[[ $seconds =~ ^[1-9][0-9]*$ && $jobs =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
counts="$sd_root/build-fuzz/executions.tsv"

print_table() {
  [[ -s $counts ]] || die "nothing was counted yet in $counts"
  awk -F'\t' '
    { runs[$3] += $4; seconds[$3] += $5; if (!($3 in first) || $1 < first[$3]) first[$3] = $1
      if ($1 >= last[$3]) { last[$3] = $1; commit[$3] = $2 } all += $4 }
    END {
      print "| target | executions | CPU hours | from | to | last commit |\n|---|---:|---:|---|---|---|"
      count = 0
      for (name in runs) names[++count] = name
      for (i = 1; i <= count; ++i) for (j = i + 1; j <= count; ++j) if (names[j] < names[i]) { t = names[i]; names[i] = names[j]; names[j] = t }
      for (i = 1; i <= count; ++i) { name = names[i]
        printf "| `%s` | %d | %.1f | %s | %s | %s |\n", name, runs[name], seconds[name] / 3600, first[name], last[name], commit[name] }
      printf "| all | %d | | | | |\n", all
    }' "$counts"
}

if [[ $table == yes ]]; then
  print_table
  exit 0
fi

if [[ $build == yes ]]; then
  "$sd_root/scripts/setup.sh" --fuzz
  (cd "$sd_root" && cmake --preset fuzz >/dev/null)
  cmake --build "$sd_root/build-fuzz" --target fuzz_targets -j "$jobs" >&2
fi
[[ ${#names[@]} -gt 0 ]] || mapfile -t names < <(fuzz_targets)
[[ ${#names[@]} -gt 0 ]] || die "there is no fuzz target in build-fuzz/" "Run this without --no-build."
commit="$(git -C "$sd_root" rev-parse --short HEAD 2>/dev/null || echo unknown)"

# fuzz_counted TARGET: its runs are counted if it found something as well.
fuzz_counted() {
  local start=$SECONDS status=0 runs
  (run_fuzzer "$1" "$seconds") || status=1
  runs="$(fuzz_runs "$1")"
  printf '%s\t%s\t%s\t%s\t%s\n' "$(date +%F)" "$commit" "$1" "${runs:-0}" "$((SECONDS - start))" >>"$counts"
  if [[ $minimise == yes && $status -eq 0 ]]; then
    local corpus="$sd_root/build-fuzz/corpus/$1" smaller="$sd_root/build-fuzz/corpus/$1.smaller"
    rm -rf "$smaller"
    mkdir "$smaller"
    "$sd_root/build-fuzz/tests/fuzz/$1" -set_cover_merge=1 -timeout=60 "$smaller" "$corpus" >"$corpus.log" 2>&1 || return 1
    rm -rf "$corpus"
    mv "$smaller" "$corpus"
  fi
  return "$status"
}
mkdir -p "$sd_root/build-fuzz/corpus"
export -f fuzz_counted run_fuzzer fuzz_runs say die
export sd_root sd_me seconds counts commit minimise
status=0
printf '%s\n' "${names[@]}" | xargs -P "$jobs" -I{} bash -euo pipefail -c 'fuzz_counted {}' || status=1
print_table
exit "$status"
