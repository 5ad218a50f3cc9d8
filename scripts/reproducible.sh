#!/usr/bin/env bash
# Builds one commit twice, in two folders of other names, and says whether the same bytes come out, or which files differ and in what.
#
#   scripts/reproducible.sh [--commit COMMIT] [--jobs N] [--ccache] [TARGET…]
#
# Targets are those of the build; without any, the program: sd, sd_engine, sd_sentencepiece. Compared is every object, library and
# program that the builds made. The cache of compiled objects is left out, since it would compare one object with itself; --ccache
# uses it, which tries linking alone. Exit code 1: something differs.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

commit=HEAD jobs="$(nproc)" targets=()
export CCACHE_DISABLE=1
while [[ $# -gt 0 ]]; do
  case "$1" in
    --commit) commit="${2:?--commit needs one}"; shift ;;
    --jobs) jobs="${2:?--jobs needs a number}"; shift ;;
    --ccache) unset CCACHE_DISABLE ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done
[[ ${#targets[@]} -gt 0 ]] || targets=(sd sd_engine sd_sentencepiece)
git -C "$sd_root" rev-parse --verify --quiet "$commit^{commit}" >/dev/null || sd_exit=2 die "$commit is no commit here"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# build_in FOLDER: paths of the folder are kept out of what is compiled, as whoever packages this should do.
build_in() {
  mkdir -p "$1"
  git -C "$sd_root" archive "$commit" | tar -x -C "$1"
  CXXFLAGS="-ffile-prefix-map=$1=." cmake -S "$1" -B "$1/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSD_TESTS=OFF >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; die "configuring failed"; }
  cmake --build "$1/build" -j "$jobs" --target "${targets[@]}" >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; die "the build failed"; }
}
one="$work/one" other="$work/another folder's name"
other="${other// /-}" && other="${other//\'/}"
build_in "$one"
build_in "$other"

# Precompiled headers hold addresses of the compiler that made them; they are no part of what is built.
made() { cd "$1/build" && find . -type f \( -name '*.o' -o -name '*.a' -o -name '*.so' -o -perm -u+x \) -not -path '*/CMakeFiles/[0-9]*' | sort; }
[[ $(made "$one") == "$(made "$other")" ]] || die "the two builds made other files"
differ=0 count=0
while IFS= read -r file; do
  count=$((count + 1))
  cmp -s "$one/build/$file" "$other/build/$file" && continue
  differ=$((differ + 1))
  printf '%s differs\n' "$file"
  for folder in "$one" "$other"; do
    strings -a "$folder/build/$file" | grep -F "$folder" | sort -u | head -n 3 | sed 's/^/    holds its folder: /' || true
  done
  if readelf -S "$one/build/$file" >/dev/null 2>&1; then
    for section in $(readelf -SW "$one/build/$file" 2>/dev/null | sed -nE 's/^ *\[ *[0-9]+\] (\.[^ ]+).*/\1/p' | sort -u); do
      cmp -s <(objcopy -O binary --only-section="$section" --set-section-flags "$section=alloc" "$one/build/$file" /dev/stdout 2>/dev/null) \
        <(objcopy -O binary --only-section="$section" --set-section-flags "$section=alloc" "$other/build/$file" /dev/stdout 2>/dev/null) ||
        printf '    in its section %s\n' "$section"
    done
  fi
done < <(made "$one")
[[ $differ -eq 0 ]] || die "$differ of $count files differ"
say "$(git -C "$sd_root" rev-parse --short "$commit"): $count files, built twice, have the same bytes"
