#!/usr/bin/env bash
# Runs scripts/setup.sh against a folder of tiny stand-in wheels: no network, no root rights, no LibTorch.
set -euo pipefail
setup="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/scripts/setup.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset Torch_ROOT
export PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/index" SD_DEPS_DIR="$work/deps" SD_VERSIONS_FILE="$work/versions.txt"
mkdir -p "$work/index" "$work/held-back" "$work/bin"
failed=0

fail() {
  printf 'FAILED: %s\n' "$*"
  [[ ! -s $work/said ]] || sed 's/^/    /' "$work/said"
  failed=1
}

# expect STATUS SAID COMMAND…: the exit status, and a text in what was said ("" means that nothing was said).
expect() {
  local status=0 want="$1" text="$2"
  shift 2
  "$@" >"$work/said" 2>&1 </dev/null || status=$?
  [[ $status -eq $want ]] || fail "$*: exit status $status, expected $want"
  if [[ -z $text ]]; then
    [[ ! -s $work/said ]] || fail "$*: expected silence"
  else
    grep -qF -- "$text" "$work/said" || fail "$*: did not say '$text'"
  fi
}

present() { [[ -e $SD_DEPS_DIR/current/$1 ]] || fail "missing: $1"; }
absent() { [[ ! -e $SD_DEPS_DIR/current/$1 ]] || fail "should not be there: $1"; }
fresh() { rm -rf "$SD_DEPS_DIR"; }

# wheel NAME VERSION TAG FILE…: writes it into the index and prints its line for the pinned list.
wheel() {
  python3 - "$work/index" "$@" <<'PY'
import hashlib, sys, zipfile
folder, name, version, tag, *files = sys.argv[1:]
stem = f"{name.replace('-', '_')}-{version}"
path = f"{folder}/{stem}-{tag}.whl"
with zipfile.ZipFile(path, "w") as out:
    for file in files:
        out.writestr(file, file)
    info = f"{stem}.dist-info"
    out.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    out.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
    out.writestr(f"{info}/RECORD", "")
print(f"{name}=={version} --hash=sha256:{hashlib.sha256(open(path, 'rb').read()).hexdigest()}")
PY
}

{
  echo "# [cpu]"
  wheel torch 9.1.0 cp311-cp311-manylinux_2_28_x86_64 torch/lib/libtorch_cpu.so torch/lib/libtorch_python.so \
    torch/include/ATen/ATen.h torch/nn/module.py
  wheel nvidia-cuda-runtime 13.0 py3-none-manylinux2014_x86_64 nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libx.a
  echo "# [cuda]"
  wheel nvidia-cudnn-cu13 9.0 py3-none-manylinux_2_27_x86_64 nvidia/cudnn/lib/libcudnn.so.9
  wheel nvidia-cublas 13.4 py3-none-manylinux_2_27_x86_64 nvidia/cu13/lib/libcublas.so.13
} >"$SD_VERSIONS_FILE"
cpu=("$setup" --cpu --no-packages)
cuda=("$setup" --cuda --no-packages)

# The libraries and headers land side by side, nothing else does, and a second run has nothing to say.
expect 0 "getting torch==9.1.0" "${cpu[@]}"
present torch/lib/libtorch_cpu.so
present torch/include/ATen/ATen.h
present nvidia/cu13/lib/libcudart.so.13
absent torch/lib/libtorch_python.so
absent torch/nn/module.py
absent nvidia/cu13/lib/libx.a
absent nvidia/cudnn
[[ -z $(find "$SD_DEPS_DIR" -name '*.whl') ]] || fail "a wheel was left behind"
expect 0 "" "${cpu[@]}"

# CUDA is added to what is there.
expect 0 "getting nvidia-cudnn-cu13==9.0" "${cuda[@]}"
if grep -q "getting torch" "$work/said"; then fail "torch was fetched again"; fi
present nvidia/cudnn/lib/libcudnn.so.9
present nvidia/cu13/lib/libcublas.so.13
present nvidia/cu13/lib/libcudart.so.13
expect 0 "" "${cuda[@]}"
expect 0 "" "${cpu[@]}"

# A wheel that cannot be had: said with a hint; what was finished is not fetched again.
fresh
mv "$work"/index/nvidia_cuda_runtime* "$work/held-back"
expect 1 "nvidia-cuda-runtime==13.0 could not be downloaded" "${cpu[@]}"
grep -q "online" "$work/said" || fail "no hint that the machine may be offline"
absent torch
mv "$work"/held-back/* "$work/index"
expect 0 "getting nvidia-cuda-runtime==13.0" "${cpu[@]}"
if grep -q "getting torch" "$work/said"; then fail "torch was fetched again after an interruption"; fi
present torch/lib/libtorch_cpu.so

# A wheel with other contents than pinned is refused and never unpacked.
fresh
cp "$SD_VERSIONS_FILE" "$work/right.txt"
sed -i '/^torch/s/sha256:..../sha256:0000/' "$SD_VERSIONS_FILE"
expect 1 "SHA-256 is not the one pinned" "${cpu[@]}"
grep -q "Got" "$work/said" || fail "the sum that was found is not said"
absent torch
cp "$work/right.txt" "$SD_VERSIONS_FILE"

# A full disk, seen beforehand and in the midst.
fresh
printf '#!/bin/sh\necho head\necho x 1 1 10 1 /\n' >"$work/bin/df"
chmod +x "$work/bin/df"
expect 1 "10 MB are free" env PATH="$work/bin:$PATH" "${cpu[@]}"
rm "$work/bin/df"
printf '#!/bin/sh\necho "write error (disk full?)"\nexit 50\n' >"$work/bin/unzip"
chmod +x "$work/bin/unzip"
expect 1 "Is the disk full?" env PATH="$work/bin:$PATH" "${cpu[@]}"
absent torch
expect 0 "getting torch==9.1.0" "${cpu[@]}"
present torch/lib/libtorch_cpu.so

# A new list makes a new folder and switches to it; the old one stays and is named.
old="$(readlink "$SD_DEPS_DIR/current")"
sed -i '/^nvidia-cublas/d' "$SD_VERSIONS_FILE"
expect 0 "no longer used, may be deleted: $SD_DEPS_DIR/$old" "${cpu[@]}"
[[ $(readlink "$SD_DEPS_DIR/current") != "$old" ]] || fail "the old folder is still current"

# The user's own LibTorch: nothing is fetched. What is none is refused, with the nearest one where there is one.
fresh
own="$work/own/torch"
mkdir -p "$own/lib" "$own/include/ATen" "$work/empty"
touch "$own/lib/libtorch_cpu.so" "$own/lib/libc10.so" "$own/include/ATen/ATen.h"
expect 0 "yours, in $own" env Torch_ROOT="$own" "${cpu[@]}"
expect 2 "Torch_ROOT=/nope: $(id -un) sees no such folder" env Torch_ROOT=/nope "${cpu[@]}"
expect 2 "is no LibTorch: it has no lib/libtorch_cpu.so" env Torch_ROOT="$work/empty" "${cpu[@]}"
expect 2 "set Torch_ROOT=$own" env Torch_ROOT="$work/own" "${cpu[@]}"
expect 2 "must be an absolute path: own/torch" env Torch_ROOT=own/torch "${cpu[@]}"
rm "$own/lib/libc10.so"
expect 2 "it has no lib/libc10.so" env Torch_ROOT="$own" "${cpu[@]}"
[[ ! -e $SD_DEPS_DIR ]] || fail "something was fetched although Torch_ROOT is set"

# Nowhere to put it, each named: no HOME, a relative folder, a file in the way, a folder that may not be written.
expect 2 "HOME is not set" env -u HOME -u SD_DEPS_DIR -u XDG_CACHE_HOME "${cpu[@]}"
expect 2 "must be an absolute path: deps" env SD_DEPS_DIR=deps "${cpu[@]}"
touch "$work/file"
expect 5 "$work/file/deps cannot be made: Not a directory" env SD_DEPS_DIR="$work/file/deps" "${cpu[@]}"
mkdir "$work/closed"
chmod 555 "$work/closed"
other=()
if [[ $(id -u) -eq 0 ]]; then
  chmod 755 "$work"
  other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  # The scripts may lie where no other user sees them.
  mkdir "$work/scripts"
  cp -r "$(dirname "$setup")/." "$work/scripts"
  chmod -R a+rX "$work/scripts"
fi
as_other() {
  if [[ ${#other[@]} -eq 0 ]]; then "$setup" "$@"; else "${other[@]}" "$work/scripts/setup.sh" "$@"; fi
}
expect_other() {  # STATUS SAID DEPS
  local SD_DEPS_DIR="$3"
  export SD_DEPS_DIR
  expect "$1" "$2" as_other --cpu --no-packages
}
expect_other 5 "$work/closed cannot be written by" "$work/closed"
expect_other 5 "$work/closed/deps cannot be made: Permission denied" "$work/closed/deps"
if [[ $(id -u) -eq 0 ]] && unshare -m true 2>/dev/null; then
  mkdir "$work/read-only"
  expect 5 "$work/read-only/deps cannot be made: Read-only file system" unshare -m sh -c \
    'mount -t tmpfs -o ro none "$0" && SD_DEPS_DIR="$0/deps" exec "$@"' "$work/read-only" "${cpu[@]}"
fi

# A script that is ended while pip downloads, by a signal to it alone: pip ends too, and the lock is free.
slow="$work/slow"
mkdir -p "$slow/pip"
touch "$slow/pip/__init__.py"
printf 'import os, time\nopen(os.environ["PIP_IS"], "w").write(str(os.getpid()))\ntime.sleep(60)\n' >"$slow/pip/__main__.py"
export PIP_IS="$work/pip-is"
wait_until() {  # COMMAND…: for ten seconds at most
  local _
  for _ in {1..200}; do
    if "$@" 2>/dev/null; then return; fi
    sleep 0.05
  done
  fail "waited in vain: $*"
}
start_slow() {  # its number is in script, that of its pip in pip
  fresh
  rm -f "$PIP_IS"
  PYTHONPATH="$slow" env --default-signal=INT,HUP,TERM "${cpu[@]}" >"$work/slow-said" 2>&1 </dev/null &
  script=$!
  wait_until test -s "$PIP_IS"
  pip="$(cat "$PIP_IS")"
}
is_gone() { ! kill -0 "$1"; }
for signal in TERM HUP INT KILL; do
  [[ $signal != KILL ]] || setpriv --pdeathsig KILL true 2>/dev/null || continue
  start_slow
  if find "/proc/$pip/fd" -lname "*/.lock" 2>/dev/null | grep -q .; then fail "pip has the lock"; fi
  kill -s "$signal" "$script"
  status=0
  wait "$script" 2>/dev/null || status=$?
  [[ $status -eq $((128 + $(kill -l "$signal"))) ]] || fail "SIG$signal: exit status $status"
  wait_until is_gone "$pip"
  flock -n "$SD_DEPS_DIR/.lock" true || fail "SIG$signal: the lock is still held"
  if [[ $signal != KILL ]]; then
    grep -q "ended by SIG$signal" "$work/slow-said" || fail "SIG$signal: it is not said what happened"
    [[ -z $(find "$SD_DEPS_DIR" -name '*.download') ]] || fail "SIG$signal: half a download was left"
  fi
done

# Whoever waits is told for whom, and can be ended while waiting.
start_slow
PYTHONPATH="$slow" "${cpu[@]}" >"$work/said" 2>&1 </dev/null &
second=$!
wait_until grep -q "waiting for another set-up in $SD_DEPS_DIR: process $script on .*, since 20" "$work/said"
kill "$second"
status=0
wait "$second" 2>/dev/null || status=$?
[[ $status -eq 143 ]] || fail "ended while it waits: exit status $status"
kill "$script"
wait "$script" 2>/dev/null || true

expect 2 "usage:" "$setup" --no-such-option
exit "$failed"
