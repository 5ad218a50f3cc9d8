# shellcheck shell=bash disable=SC2154  # sd_root is common.sh's
# Running one fuzz target, for the scripts. To be sourced behind common.sh; build-fuzz/ holds the targets.

fuzz_targets() { find "$sd_root/build-fuzz/tests/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x -printf '%f\n' | sort; }

# run_fuzzer TARGET SECONDS: with its dictionary, from the repository's corpus and what earlier runs found. A run that finds
# something leaves the input beside the corpus and fails. `fuzz_runs TARGET` says how many inputs were run.
run_fuzzer() {
  local name="$1" corpus="$sd_root/build-fuzz/corpus/$1" seeds=() dictionary=()
  [[ ! -d $sd_root/tests/fuzz/corpus/$name ]] || seeds=("$sd_root/tests/fuzz/corpus/$name")
  [[ ! -f $sd_root/tests/fuzz/dictionaries/$name.dict ]] || dictionary=(-dict="$sd_root/tests/fuzz/dictionaries/$name.dict")
  mkdir -p "$corpus"
  if ! "$sd_root/build-fuzz/tests/fuzz/$name" -max_total_time="$2" -rss_limit_mb=4096 -timeout=10 -print_final_stats=1 \
    "${dictionary[@]}" -artifact_prefix="$corpus-finding-" "$corpus" "${seeds[@]}" >"$corpus.log" 2>&1; then
    tail -n 60 "$corpus.log" >&2
    die "$name found something" "The input: $(find "$(dirname "$corpus")" -name "$name-finding-*" | sort | tail -n 1)"
  fi
  say "$name: $(fuzz_runs "$name") runs, no finding"
}

fuzz_runs() { awk '/number_of_executed_units/ {print $2}' "$sd_root/build-fuzz/corpus/$1.log"; }
