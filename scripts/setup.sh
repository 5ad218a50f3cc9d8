#!/usr/bin/env bash
# Installs what building needs and is missing: Debian packages, and LibTorch unpacked from its wheel.
# Run it as often as you like: with nothing missing it takes a fraction of a second.
set -euo pipefail
# shellcheck source=lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--cpu | --cuda] [--fuzz] [--check] [--no-packages]
  --cuda         also get NVIDIA's libraries (2.1 GB; the default where an NVIDIA GPU is found)
  --cpu          not even where a GPU is found
  --fuzz         also get clang, for the fuzz targets
  --check        also get what scripts/check_format runs
  --no-packages  leave Debian's packages alone (no root rights needed)
LibTorch lands in $SD_DEPS_DIR, by default ${XDG_CACHE_HOME:-$HOME/.cache}/sd/deps. With $Torch_ROOT set, that
LibTorch is used and nothing is downloaded. The wheels come from wherever your pip is configured to look.
exit codes: 0 all is there; 1 something could not be fetched, unpacked or installed; 2 an option or a variable is wrong;
            5 a folder cannot be written; 128 + N ended by the signal N (what was finished is kept)
TEXT
}

cuda=auto
packages=(build)
while [[ $# -gt 0 ]]; do
  case "$1" in
    --cuda) cuda=yes ;;
    --cpu) cuda=no ;;
    --fuzz) packages+=(fuzz) ;;
    --check) packages+=(check) ;;
    --no-packages) packages=() ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

versions="${SD_VERSIONS_FILE:-$sd_root/scripts/versions.txt}"

# --- Where things are ------------------------------------------------------------------------------------------------

# The user's name, which a user of a container may not have.
user_name() {
  local name
  name="$(id -un 2>/dev/null)" || name="the user $(id -u)"
  printf '%s' "$name"
}

# settle_folders: sets `deps`, or checks the user's own LibTorch, before anything is installed.
settle_folders() {
  if [[ -n ${Torch_ROOT:-} ]]; then
    check_torch_root
    return
  fi
  local cache="${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}"
  deps="${SD_DEPS_DIR:-${cache:+$cache/sd/deps}}"
  [[ -n $deps ]] || sd_exit=2 die "there is no place for LibTorch: HOME is not set, nor is XDG_CACHE_HOME or SD_DEPS_DIR" \
    "Set SD_DEPS_DIR to a folder that you may write to (2 GB)."
  [[ $deps == /* ]] || sd_exit=2 die "the folder for LibTorch must be an absolute path: $deps" \
    "It is looked for from other folders too. Set SD_DEPS_DIR=$PWD/${deps#./}, or to another folder."
}

# The same files as cmake/FindLibTorch.cmake looks for.
check_torch_root() {
  local file place
  [[ $Torch_ROOT == /* ]] || sd_exit=2 die "Torch_ROOT must be an absolute path: $Torch_ROOT" \
    "Set Torch_ROOT=$PWD/${Torch_ROOT#./}"
  [[ -e $Torch_ROOT ]] || sd_exit=2 die "Torch_ROOT=$Torch_ROOT: $(user_name) sees no such folder" \
    "Set it to a LibTorch (a folder with include/ and lib/), or unset it: then LibTorch is downloaded."
  for file in lib/libtorch_cpu.so lib/libc10.so include/ATen/ATen.h; do
    [[ ! -r $Torch_ROOT/$file ]] || continue
    local hints=("It must be a folder with include/ and lib/, as in the torch wheel or the LibTorch archive.")
    for place in "$Torch_ROOT/torch" "$Torch_ROOT/libtorch" "$(dirname "$Torch_ROOT")"; do
      [[ ! -r $place/lib/libtorch_cpu.so ]] || hints=("There is one in $place: set Torch_ROOT=$place")
    done
    if [[ -e $Torch_ROOT/$file ]]; then
      sd_exit=2 die "Torch_ROOT=$Torch_ROOT: $file cannot be read" "Make it readable for $(user_name)."
    fi
    sd_exit=2 die "Torch_ROOT=$Torch_ROOT is no LibTorch: it has no $file" "${hints[@]}"
  done
}

# make_writable FOLDER…: each is there afterwards and can be written, or the script ends.
make_writable() {
  local folder error
  for folder in "$@"; do
    if ! error="$(mkdir -p "$folder" 2>&1)"; then
      sd_exit=5 die "the folder $folder cannot be made: ${error##*: }" "Set SD_DEPS_DIR to a folder that you may write to."
    fi
    [[ -w $folder && -x $folder ]] ||
      sd_exit=5 die "the folder $folder cannot be written by $(user_name) (it belongs to $(stat -c %U "$folder"))" \
        "Change that, or set SD_DEPS_DIR to a folder that you may write to (a disk may be mounted read-only)."
  done
}

# --- Children --------------------------------------------------------------------------------------------------------

child=''
lock=''
work=''
# Ends with the script even if that is killed: the kernel sees to it, where setpriv is there to ask it.
die_with_us=()
if setpriv --pdeathsig KILL true 2>/dev/null; then die_with_us=(setpriv --pdeathsig KILL); fi

# await: waits for the child that was just started with &. Not in the foreground: bash acts on no signal until a program in the
# foreground has ended.
await() {
  local status=0
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}

on_signal() {  # NAME
  trap '' HUP INT TERM
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  [[ -z $lock || -z $work ]] || rm -rf "$work"
  say "ended by SIG$1; what was finished is kept, and running this again goes on from there"
  trap - "$1"
  kill -s "$1" $$
}
for name in HUP INT TERM; do
  # shellcheck disable=SC2064  # the name is meant now
  trap "on_signal $name" "$name"
done

# take_lock: waits for other set-ups of this folder. The lock is this script's alone: children close its descriptor.
take_lock() {
  local file="$deps/.lock" status wait_for=(-n)
  if ! { exec {lock}>>"$file"; } 2>/dev/null; then
    sd_exit=5 die "the lock $file cannot be opened by $(user_name)" "Does it belong to another user? ls -l $file"
  fi
  while true; do
    status=0
    "${die_with_us[@]}" flock -E 75 "${wait_for[@]}" "$lock" &
    await || status=$?
    [[ $status -eq 75 ]] || break
    # Whoever holds the lock has written its number, host and time into the file.
    say "waiting for another set-up in $deps: $(head -n 1 "$file" 2>/dev/null | grep . || echo "it does not say which")"
    wait_for=(-w 60)
  done
  [[ $status -eq 0 ]] || sd_exit=5 die "$file cannot be locked" "A network disk without locks? Set SD_DEPS_DIR to a local folder."
  printf 'process %s on %s, since %s\n' "$$" "$(hostname)" "$(date '+%F %T')" >"$file"
}

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
  log="$(mktemp)" || sd_exit=5 die "no temporary file can be made in ${TMPDIR:-/tmp}" "Set TMPDIR to a folder that you may write to."
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  [[ $(id -u) -eq 0 ]] || apt=(sudo "${apt[@]}")
  # Asked to end with this script, never killed: packages would be left half installed.
  if ! { "${apt[@]}" update >"$log" 2>&1 & await; } ||
    ! { "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >>"$log" 2>&1 & await; }; then
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
  printf '%s\n' "$requirement" >"$folder/requirement.txt"
  # TMPDIR: pip downloads there first, and /tmp may be a small memory disk.
  TMPDIR="$folder" "${die_with_us[@]}" "$python" -m pip --no-cache-dir --disable-pip-version-check --retries 2 download \
    --progress-bar "$bar" --dest "$folder" --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
    --implementation cp "${tags[@]}" -r "$folder/requirement.txt" 2>"$folder/pip.log" >&9 </dev/null {lock}>&- &
  if await; then return; fi
  errors="$(cat "$folder/pip.log")"
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
  "${die_with_us[@]}" unzip -qq -o -DD "$1" 'torch/include/*' 'torch/lib/*' 'torch/share/*' 'nvidia/*/lib/*.so*' '*.dist-info/licenses/*' \
    '*.dist-info/LICENSE*' '*.dist-info/License*' -x 'torch/lib/libtorch_python.so' '*.py' -d "$2" >"$2.log" 2>&1 \
    {lock}>&- &
  await || status=$?
  if [[ $status -ne 0 && $status -ne 11 ]]; then
    tail -n 3 "$2.log" >&2
    die "unpacking $(basename "$1") failed" "Is the disk full? $(free_space "$deps") MB are free in $deps."
  fi
  rm -f "$2.log"
}

# get PART FOLDER: fetches and unpacks the wheels of a part of the list into FOLDER, skipping those that are done.
get() {
  local requirement name
  make_writable "$2/.done" "$work"
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
  make_writable "$deps"
  take_lock  # two set-ups at once: the second waits, then finds everything there
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

settle_folders
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
