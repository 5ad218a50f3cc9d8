#!/usr/bin/env bash
# Installs what building needs and is missing: Debian packages, and LibTorch unpacked from its wheel.
# Run it as often as you like: with nothing missing it takes a fraction of a second.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--cpu | --cuda] [--fuzz] [--no-packages]
  --cuda         also get NVIDIA's libraries (2.1 GB; the default where an NVIDIA GPU is found)
  --cpu          not even where a GPU is found
  --fuzz         also get clang, for the fuzz targets
  --no-packages  leave Debian's packages alone (no root rights needed)
LibTorch lands in $SD_DEPS_DIR, by default ${XDG_CACHE_HOME:-$HOME/.cache}/sd/deps. With $Torch_ROOT set, that
LibTorch is used and nothing is downloaded. The wheels come from wherever your pip is configured to look.
TEXT
}

cuda=auto
packages=(build)
while [[ $# -gt 0 ]]; do
  case "$1" in
    --cuda) cuda=yes ;;
    --cpu) cuda=no ;;
    --fuzz) packages+=(fuzz) ;;
    --no-packages) packages=() ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

versions="${SD_VERSIONS_FILE:-$sd_root/scripts/versions.txt}"
deps="${SD_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sd/deps}"

# --- Debian packages -------------------------------------------------------------------------------------------------

install_packages() {
  local wanted missing log name
  mapfile -t wanted < <(for part in "$@"; do section "$sd_root/scripts/packages.txt" "$part"; done | awk '{print $1}')
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here: make sure that the equivalents of these Debian packages are installed: ${wanted[*]}"
    return
  fi
  missing=()
  local -A installed=()
  while read -r name; do installed[$name]=1; done < <(
    dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null | awk '$1 == "ii" {print $2}')
  for name in "${wanted[@]}"; do [[ -n ${installed[$name]:-} ]] || missing+=("$name"); done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  can_be_root || die "Debian packages are missing, and installing them needs root or sudo" \
    "As root: apt-get install --no-install-recommends ${missing[*]}" "Then run this again."
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  log="$(mktemp)"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  if ! as_root "${apt[@]}" update >"$log" 2>&1 ||
    ! as_root "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    if grep -qi 'no space left' "$log"; then
      die "the disk is full" "Free some space (the packages need about 700 MB) and run this again."
    elif grep -qiE 'temporary failure resolving|could not connect|failed to fetch|unable to connect|unable to locate package' "$log"; then
      die "Debian's packages could not be fetched" \
        "Is this machine online? See /etc/apt/sources.list for where it looks."
    fi
    die "apt-get failed; its last lines are above" "Missing: ${missing[*]}"
  fi
  rm -f "$log"
}

# --- LibTorch --------------------------------------------------------------------------------------------------------

# One folder for one content of the pinned list, so that a new version never mixes with an old one.
set_folder() {
  local torch
  torch="$(section "$versions" cpu | awk -F'[= ]+' '$1 == "torch" {print $2}')"
  printf '%s/torch-%s-%s' "$deps" "$torch" \
    "$(for part in cpu cuda; do section "$versions" $part; done | sha256sum | cut -c1-12)"
}

has_gpu() { [[ -e /dev/nvidiactl ]] || command -v nvidia-smi >/dev/null; }

free_space() { df -Pm "$1" | awk 'NR == 2 {print $4}'; }

need_space() {  # FOLDER MEGABYTES WHAT
  local free
  free="$(free_space "$1")"
  [[ $free -ge $2 ]] ||
    die "$3 needs $2 MB in $1, $free MB are free" "Free some space, or set SD_DEPS_DIR to a folder on another disk."
}

# fetch REQUIREMENT FOLDER: one wheel, verified by pip against its hash. pip keeps nothing half-downloaded.
fetch() {
  local requirement="$1" folder="$2" errors python=/usr/bin/python3 bar=off n
  "$python" -c 'import pip' 2>/dev/null || python=python3
  "$python" -c 'import pip' 2>/dev/null || die "python3 has no pip" "Install Debian's python3-pip."
  [[ ! -t 2 ]] || bar=on
  local tags=(--platform manylinux2014_x86_64)
  for n in {28..5}; do tags+=(--platform "manylinux_2_${n}_x86_64"); done
  # TMPDIR: pip downloads there first, and /tmp may be a small memory disk.
  if errors="$(TMPDIR="$folder" "$python" -m pip --no-cache-dir --disable-pip-version-check --retries 2 download \
    --progress-bar "$bar" --dest "$folder" --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
    --implementation cp "${tags[@]}" -r <(printf '%s\n' "$requirement") 2>&1 >&9 </dev/null)"; then
    return
  fi
  local name="${requirement%% *}"
  if [[ $errors == *"DO NOT MATCH"* ]]; then
    grep -E '^ +(Expected|Got)' <<<"$errors" >&2
    die "$name: the wheel's SHA-256 is not the one pinned in $versions" \
      "What was downloaded is thrown away. Try again; if it happens again, the package index serves another file."
  fi
  tail -n 5 <<<"$errors" >&2
  if [[ $errors == *"No space left"* ]]; then
    die "the disk is full" "Free some space in $deps, or set SD_DEPS_DIR to a folder on another disk."
  fi
  die "$name could not be downloaded" "Is this machine online, and does your pip find packages (pip config list)?" \
    "What was finished is kept: running this again goes on from here."
}

# unpack WHEEL FOLDER: libraries, headers and licences; no Python, no static archives.
unpack() {
  local status=0
  # -DD: time of unpacking, not of packing, so that a new version's headers are newer than old objects.
  # 11: some pattern matched nothing, as the wheels hold different parts.
  unzip -qq -o -DD "$1" 'torch/include/*' 'torch/lib/*' 'torch/share/*' 'nvidia/*/lib/*.so*' '*.dist-info/licenses/*' \
    '*.dist-info/LICENSE*' '*.dist-info/License*' -x 'torch/lib/libtorch_python.so' '*.py' -d "$2" >"$2.log" 2>&1 ||
    status=$?
  if [[ $status -ne 0 && $status -ne 11 ]]; then
    tail -n 3 "$2.log" >&2
    die "unpacking $(basename "$1") failed" "Is the disk full? $(free_space "$deps") MB are free in $deps."
  fi
  rm -f "$2.log"
}

# get PART FOLDER: fetches and unpacks the wheels of a part of the list into FOLDER, skipping those that are done.
get() {
  local requirement name
  mkdir -p "$2/.done" "$work"
  while read -r requirement; do
    name="${requirement%% *}"
    [[ ! -e "$2/.done/$name" ]] || continue
    say "LibTorch: getting $name"
    fetch "$requirement" "$work"
    unpack "$(find "$work" -name '*.whl' -print -quit)" "$2"
    rm -f "$work"/*.whl
    touch "$2/.done/$name"
  done < <(section "$versions" "$1")
}

install_libtorch() {
  local folder part
  folder="$(set_folder)"
  if [[ -e $folder/.cpu && ($cuda != yes || -e $folder/.cuda) &&
    $(readlink "$deps/current") == "$(basename "$folder")" ]]; then
    return
  fi
  [[ $(uname -sm) == "Linux x86_64" ]] ||
    die "LibTorch is pinned for Linux on x86_64, this is $(uname -sm)" "Set Torch_ROOT to a LibTorch of your own."
  mkdir -p "$deps" || die "cannot write to $deps" "Set SD_DEPS_DIR to a folder that you may write to."
  exec {lock}>"$deps/.lock"
  flock "$lock"  # two set-ups at once: the second waits, then finds everything there
  work="$folder.download"
  rm -rf "$work"
  # 9: pip's progress bar, where a person sees it.
  if [[ -t 2 ]]; then exec 9>&2; else exec 9>/dev/null; fi

  if [[ ! -e "$folder/.cpu" ]]; then
    part="$folder.part"  # kept when interrupted; gets its name when complete
    need_space "$deps" 2000 "LibTorch"
    get cpu "$part"
    touch "$part/.cpu"
    rm -rf "$folder"
    mv -T "$part" "$folder"
  fi
  if [[ $cuda == yes && ! -e "$folder/.cuda" ]]; then
    part="$folder/.part"
    need_space "$deps" 4500 "NVIDIA's libraries"
    get cuda "$part"
    merge "$part" "$folder"
    touch "$folder/.cuda"
  fi
  ln -sfnT "$(basename "$folder")" "$deps/current"
  rm -rf "$work"
  say "LibTorch: in $deps/current/torch ($(du -sm "$folder" | cut -f1) MB)"
  for part in "$deps"/torch-*; do
    [[ $part == "$folder" ]] || say "LibTorch: no longer used, may be deleted: $part"
  done
}

# merge FROM TO: moves every file to the same place in TO, then removes FROM.
merge() {
  local file
  while IFS= read -r -d '' file; do
    mkdir -p "$2/$(dirname "$file")"
    mv -f "$1/$file" "$2/$file"
  done < <(cd "$1" && find . -type f -print0)
  rm -rf "$1"
}

[[ ${#packages[@]} -eq 0 ]] || install_packages "${packages[@]}"
if [[ -n ${Torch_ROOT:-} ]]; then
  say "LibTorch: yours, in $Torch_ROOT"
else
  if [[ $cuda == auto ]]; then
    cuda=no
    if has_gpu; then cuda=yes; fi
  fi
  install_libtorch
fi
