#!/usr/bin/env bash
# Installs everything once into a scratch prefix, moves that, and uses it as others do: CTest runs `make` first and `clean` last.
#
#   install_test.sh make CMAKE BUILD_FOLDER          installs with a strict umask and moves the prefix
#   install_test.sh draws|missing|clean BUILD_FOLDER
#   install_test.sh examples BUILD_FOLDER CMAKE CXX_COMPILER
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
case "$1" in make) build="$3" ;; *) build="$2" ;; esac
note="$build/Testing/installed.txt"  # where the moved prefix is
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}"

fail() {
  [[ ! -s ${said:-} ]] || sed 's/^/    /' "$said"
  printf 'FAILED: %s\n' "$*"
  exit 1
}

clean() {
  [[ ! -s $note ]] || rm -rf "$(cat "$note")"
  rm -f "$note"
}

make_prefix() {  # CMAKE
  clean
  work="$(realpath "$(mktemp -d)")"
  mkdir -p "$(dirname "$note")"
  echo "$work" >"$note"
  said="$work/said"
  (umask 077 && "$1" --install "$build" --prefix "$work/built/prefix" >"$said" 2>&1) || fail "the installation failed"
  rm "$said"
  [[ -n $(find "$work/built" -maxdepth 0 -perm -o=x) ]] || fail "the folder above the prefix was made private"
  # Moved: what knew where it was built would no longer find it. (A blank and a letter beyond ASCII in the name.)
  mv "$work/built/prefix" "$work/prefix é"
  chmod 755 "$work"

  # Other users may enter and read all of it, whatever the umask was.
  closed="$(find "$work/prefix é" -not -type l -not -perm -o=r -o -type d -not -perm -o=x)"
  [[ -z $closed ]] || fail "other users cannot read: $closed"

  # Nothing that is installed looks for libraries where they were built or unpacked.
  for library in "$work/prefix é"/bin/sd "$work/prefix é"/lib/sd/*.so "$work/prefix é"/lib/libsd.so; do
    if readelf -d "$library" | grep -E '\((RUNPATH|RPATH)\)' | grep -qE '\[/|:/|::|:\]'; then
      fail "$library has a run path that is not relative to it: $(readelf -d "$library" | grep -E '\((RUNPATH|RPATH)\)')"
    fi
  done

  # The bill of materials knows all of it: every file, LibTorch, and the system's libraries.
  "$root/scripts/sbom.sh" "$work/prefix é" >"$work/bill.json"
  "$root/scripts/sbom.sh" --check "$work/bill.json"
  python3 - "$work/bill.json" "$work/prefix é" <<'PY'
import json, pathlib, sys
bill, prefix = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2])
named = {part["name"] for part in bill["components"]}
files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
for name in sorted(files - named) + sorted({"torch", "libpng16-16", "libc6", "libcli11-dev", "clip-merges"} - named):
    sys.exit(f"the bill of materials does not know {name}")
PY
}

# sd PROGRAM ARGUMENT…: one small picture into pictures/, of the working folder.
draw_with() {
  local program="$1"
  shift
  "${as[@]}" env -u LD_LIBRARY_PATH -u SD_MODELS_DIR HOME="$PWD" "$program" txt2img --prompt "a blue cat" --steps 1 --n_samples 1 \
    --n_iter 1 --skip_grid --device cpu --no-config --outdir "$PWD/pictures" "$@" >"$said" 2>&1
}

# Where root runs this, another user draws, who cannot see root's home: through a link, from a folder of its own.
draws() {
  local as=()
  mkdir "$work/out"
  if [[ $(id -u) -eq 0 ]]; then
    chown 65534:65534 "$work/out"
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  fi
  ln -s "$prefix/bin/sd" "$work/sd-link"
  cd "$work/out"
  said="$work/out-said"
  draw_with "$prefix/bin/sd" || fail "the installed program does not draw"
  [[ -s pictures/samples/00000.png ]] || fail "no picture was written"
  draw_with "$work/sd-link" || fail "the installed program does not draw through a symbolic link"
  [[ -s pictures/samples/00001.png ]] || fail "no second picture was written"
}

# refuses CODE TEXT… -- ARGUMENT…: what the program in $tree says where a file is missing.
refuses() {
  local want="$1" status=0 texts=() text
  shift
  while [[ $1 != -- ]]; do
    texts+=("$1")
    shift
  done
  shift
  draw_with "$tree/bin/sd" "$@" || status=$?
  [[ $status -eq $want ]] || fail "exit code $status, expected $want"
  for text in "${texts[@]}"; do grep -qF -- "$text" "$said" || fail "it is not said: $text"; done
}

# An installation that lacks a file says which; a drawing half of another build is refused with both versions.
missing() {
  local as=() tree="$work/tree" half="lib/sd/libsd_engine.so" version
  said="$work/missing-said"
  mkdir -p "$work/empty"
  cd "$work/empty"
  without() {  # PATH: a copy of the installation (of links) that has it not
    rm -rf "$tree"
    cp -al "$prefix" "$tree"
    rm -r "${tree:?}/$1"
  }
  without "$half"
  refuses 1 "libsd_engine.so" --
  without lib/sd/torch/lib/libtorch_cpu.so
  refuses 1 "libtorch_cpu.so" --
  without share/sd/models/demo
  refuses 5 "$tree/share/sd/models/demo" --
  without share/sd/models/demo/model.safetensors
  refuses 4 "$tree/share/sd/models/demo" "model.safetensors" --
  without share/sd/configs
  mkdir -p models/ldm/text2img-large
  touch models/ldm/text2img-large/model.ckpt
  refuses 5 "configs/latent-diffusion/txt2img-1p4B-eval.yaml" -- --laion400m
  rm -r models

  without lib/sd/libsd_sentencepiece.so
  "$tree/bin/sd" convert "$prefix/share/sd/models/demo" "$work/japanese/" >"$said" 2>&1 || fail "cannot convert"
  rm -rf "$work/japanese/tokenizer"
  mkdir "$work/japanese/tokenizer"
  cp "$root/tests/data/sentencepiece/spiece.model" "$work/japanese/tokenizer"
  printf '{"tokenizer_class": "T5Tokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "[PAD]"}' \
    >"$work/japanese/tokenizer/tokenizer_config.json"
  refuses 1 "libsd_sentencepiece.so" -- --ckpt "$work/japanese"

  without "$half"
  version="$("$tree/bin/sd" --version | awk '{print $NF}')"
  printf 'const char* sd_engine_version(void) { return "9.8.7 (interface 0123)"; }\n' |
    cc -shared -fPIC -x c - -o "$tree/$half"
  refuses 1 "$tree/$half is the drawing half of another build" "9.8.7 (interface 0123)" "this program is of $version (interface " --
}

# is_picture FILE: a PNG of 128x128 pixels that are not all alike.
is_picture() {
  python3 - "$1" <<'PY' || fail "$1 is no picture"
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == (128, 128), "no PNG of 128x128 pixels"
at, pixels = 8, b""
while at < len(data):
    length, kind = struct.unpack(">I4s", data[at:at + 8])
    pixels += data[at + 8:at + 8 + length] if kind == b"IDAT" else b""
    at += 12 + length
assert len(set(zlib.decompress(pixels))) > 50, "all pixels are alike"
PY
}

# The examples build against the installation, as a reader builds them, and leave their pictures.
examples() {  # CMAKE CXX_COMPILER
  local cmake="$1" as_others=(-DCMAKE_CXX_COMPILER="$2" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Debug) model picture
  said="$work/examples-said"
  "$cmake" -G Ninja -S "$prefix/share/sd/examples" -B "$work/examples" "${as_others[@]}" \
    -DCMAKE_C_FLAGS="-std=c99 -Wall -Wextra -Wpedantic -Werror" -DCMAKE_CXX_FLAGS="-O0 -g0 -Wall -Wextra -Werror" >"$said" 2>&1 ||
    fail "the examples cannot be configured"
  "$cmake" --build "$work/examples" >"$said" 2>&1 || fail "the examples do not compile"
  mkdir "$work/drawn"
  cd "$work/drawn"
  model="$prefix/share/sd/models/demo"
  for example in hello_sd swap_words own_controller hello_sd_c; do
    env -u LD_LIBRARY_PATH "$work/examples/$example" "$model" >"$said" 2>&1 || fail "$example failed"
  done
  for picture in hello source target target-dog plain spotlight hello-c; do is_picture "$picture.png"; done
  cmp -s hello.png hello-c.png || fail "C and C++ draw other pictures"
  if cmp -s plain.png spotlight.png; then fail "the controller changed nothing"; fi
  local status=0
  "$work/examples/hello_sd_c" /no/such/model >"$said" 2>&1 || status=$?
  [[ $status -eq 5 ]] || fail "hello_sd_c returned $status for a model that is not there"
  grep -q "/no/such/model" "$said" || fail "hello_sd_c does not name the model that is not there"

  # Without LibTorch's headers C++ says what is missing, and C needs none.
  if "$cmake" -S "$prefix/share/sd/examples" -B "$work/headless" "${as_others[@]}" -DTorch_ROOT=/no/torch >"$said" 2>&1; then
    fail "C++ was configured without LibTorch's headers"
  fi
  grep -q "LibTorch's headers are missing" "$said" || fail "it is not said that LibTorch's headers are missing"
  mkdir "$work/c"
  printf 'cmake_minimum_required(VERSION 3.25)\nproject(c LANGUAGES C)\nfind_package(sd 0.1 REQUIRED COMPONENTS c)\n' \
    >"$work/c/CMakeLists.txt"
  "$cmake" -S "$work/c" -B "$work/c-build" "${as_others[@]}" -DTorch_ROOT=/no/torch >"$said" 2>&1 || fail "C needs LibTorch's headers"
}

if [[ $1 == make ]]; then
  make_prefix "$2"
  exit
fi
if [[ $1 == clean ]]; then
  clean
  exit
fi
work="$(cat "$note")"
prefix="$work/prefix é"
case "$1" in
  draws) draws ;;
  missing) missing ;;
  examples) examples "$3" "$4" ;;
  *) fail "no such test: $1" ;;
esac
