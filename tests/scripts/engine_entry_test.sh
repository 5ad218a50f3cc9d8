#!/usr/bin/env bash
# The name by which the halves of the program find each other changes with every header and option that they share.
# usage: engine_entry_test.sh CMAKE COMPILER GENERATED_HEADER
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cmake="$1" compiler="$2" generated="$3"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed=0

# entry_of FOLDER: the name that the build would take for these sources.
entry_of() {
  "$cmake" "-DSOURCE_DIR=$1" "-DOUTPUT=$work/name.h" "-DDEPFILE=$work/name.d" -P "$root/cmake/SdEngineEntry.cmake"
  sed -n 's/^#define SD_ENGINE_ENTRY //p' "$work/name.h"
}

# What the compiler opens for engine.h, and for what each half says to the other, is in the list.
"$compiler" -std=c++20 -MM -I "$root/src" -I "$root/include" -x c++ "$root/src/cli/engine/engine.h" |
  tr -s ' \\\n' '\n' | grep -E "^$root/(src|include)/" | sed "s#^$root/##; s#/cli/\.\./#/#" | sort -u >"$work/opened"
[[ -s $work/opened ]] || { echo "the compiler names no header"; exit 1; }
sed -n 's#^// \(src\|include\)/#\1/#p' "$generated" | sort -u >"$work/hashed"
if ! missing="$(comm -23 "$work/opened" "$work/hashed")" || [[ -n $missing ]]; then
  echo "not in the hash: $missing"
  failed=1
fi

# Types of ours that shared headers only declare are defined in shared ones too. (A plan names a model's files, and none of it is
# mapped: MappedFile comes in with the names.)
declared="$(cd "$root" && xargs sed -nE 's/^(struct|class) ([A-Za-z]+);.*/\2/p' <"$work/hashed" | grep -vxE 'App|MappedFile' | sort -u)"
for type in $declared; do
  (cd "$root" && xargs grep -qE "^(struct|class) $type( final)?( :|  *\{)" <"$work/hashed") || {
    echo "$type is declared in a shared header and defined in none"
    failed=1
  }
done

mkdir "$work/tree"
cp -r "$root/src" "$root/include" "$work/tree"
before="$(entry_of "$work/tree")"
[[ $before == sd_engine_* ]] || { echo "no name: $before"; failed=1; }
[[ $(entry_of "$work/tree") == "$before" ]] || { echo "the name differs from call to call"; failed=1; }
for header in src/cli/options/draw_options.h include/sd/core/sampler_table.h src/cli/plan/prompt_list.h src/cli/options/prompt_rows.cpp; do
  echo "// another version" >>"$work/tree/$header"
  after="$(entry_of "$work/tree")"
  [[ $after != "$before" ]] || { echo "$header changed and the name did not"; failed=1; }
  before="$after"
done
exit "$failed"
