# shellcheck shell=bash
# Shared by the scripts: messages, sections of the pinned lists, root rights, timed stages. To be sourced.

sd_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
sd_me="$(basename "$0" .sh)"

# One line on stderr, so that stdout stays free for paths.
say() { printf '%s: %s\n' "$sd_me" "$*" >&2; }

# [sd_exit=N] die MESSAGE [HINT…]: says what is wrong and what to do, one line each, and exits with N (1).
die() {
  say "$1"
  shift
  [[ $# -eq 0 ]] || printf '    %s\n' "$@" >&2
  exit "${sd_exit:-1}"
}

# section FILE NAME: the lines of the part that "# [NAME]" opens, without comments and empty lines.
section() {
  awk -v want="$2" '
    /^# \[/ { name = $2; gsub(/[][]/, "", name); next }
    /^[[:space:]]*(#|$)/ { next }
    name == want' "$1"
}

can_be_root() { [[ $(id -u) -eq 0 ]] || command -v sudo >/dev/null; }

# stage NAME COMMAND…: runs it and prints how long it took. What fails is named when the script exits.
stage() {
  local start=$SECONDS
  sd_stage="$1"
  shift
  say "$sd_stage …"
  trap '[[ $? -eq 0 ]] || say "FAILED: $sd_stage"' EXIT
  "$@"  # not in a condition, which would switch off `set -e` inside
  say "$sd_stage: $((SECONDS - start)) s"
}

# configure_and_build PRESET [CONFIGURE ARGUMENT…] [-- BUILD ARGUMENT…]: quiet unless something is wrong.
configure_and_build() {
  local preset="$1" log configure=()
  shift
  while [[ $# -gt 0 && $1 != -- ]]; do
    configure+=("$1")
    shift
  done
  [[ $# -eq 0 ]] || shift
  cd "$sd_root" || exit 1
  log="$(mktemp)"
  if ! cmake --preset "$preset" "${configure[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "configuring the preset '$preset' failed"
  fi
  rm -f "$log"
  cmake --build --preset "$preset" "$@" >&2
}
