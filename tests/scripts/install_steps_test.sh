#!/usr/bin/env bash
# Installs a stand-in for the drawing half, linked against a stand-in for LibTorch, with SD_INSTALL_LIBTORCH on and off, and
# looks where the installed library searches. usage: install_steps_test.sh CMAKE SOURCE_FOLDER
set -euo pipefail
cmake="$1" source="$2"
work="$(realpath "$(mktemp -d)")"
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
failed=0

fail() {
  printf 'FAILED: %s\n' "$*"
  [[ ! -s $work/said ]] || sed 's/^/    /' "$work/said"
  failed=1
}

# LibTorch lies in FOLDER/torch/lib; the program is built against it in BUILD.
make_libtorch() {
  mkdir -p "$1/torch/lib"
  printf 'int torch(void) { return 1; }\n' | cc -shared -fPIC -x c - -o "$1/torch/lib/libtorch_cpu.so"
}
mkdir "$work/source"
cat >"$work/source/CMakeLists.txt" <<TEXT
cmake_minimum_required(VERSION 3.25)
project(stand_in LANGUAGES C)
list(APPEND CMAKE_MODULE_PATH "$source/cmake")
add_library(sd_engine SHARED engine.c)
target_link_libraries(sd_engine PRIVATE "\${LibTorch_CPU_LIBRARY}")
include(SdInstallLibTorch)
sd_install_beside_libtorch(sd_engine)
TEXT
printf 'int torch(void);\nint engine(void) { return torch(); }\n' >"$work/source/engine.c"
build() {  # BUILD LIBTORCH ON|OFF
  "$cmake" -G Ninja -S "$work/source" -B "$work/$1" -DLibTorch_CPU_LIBRARY="$2/torch/lib/libtorch_cpu.so" \
    -DSD_INSTALL_LIBTORCH="$3" >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
  "$cmake" --build "$work/$1" >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
}
install() {  # BUILD PREFIX [--component NAME]: what is said lands in said
  local build="$1" prefix="$2"
  shift 2
  (umask 077 && "$cmake" --install "$work/$build" --prefix "$prefix" "$@") >"$work/said" 2>&1
}
run_path() { readelf -d "$1/lib/sd/libsd_engine.so" | sed -nE 's/.*(RUNPATH|RPATH).*\[(.*)\]/\2/p'; }
beside='$ORIGIN:$ORIGIN/torch/lib'

# On: LibTorch is copied, and only places relative to the installation are searched.
make_libtorch "$work/open"
build on "$work/open" ON
install on "$work/on-prefix" || fail "the installation failed"
[[ -e $work/on-prefix/lib/sd/torch/lib/libtorch_cpu.so ]] || fail "LibTorch was not copied"
[[ $(run_path "$work/on-prefix") == "$beside" ]] || fail "run path $(run_path "$work/on-prefix")"

closed="$(find "$work/on-prefix/lib/sd/torch" -not -perm -o=r -o -type d -not -perm -o=x)"
[[ -z $closed ]] || fail "other users cannot read $closed"

# Packagers install into a staging folder.
DESTDIR="$work/stage" install on /usr || fail "the installation into a staging folder failed"
[[ -e $work/stage/usr/lib/sd/torch/lib/libtorch_cpu.so ]] || fail "LibTorch is not in the staging folder"
[[ $(run_path "$work/stage/usr") == "$beside" ]] || fail "run path $(run_path "$work/stage/usr")"

# A prefix may be named from where one stands.
(cd "$work" && install on here) || fail "the installation into a relative folder failed"
[[ $(run_path "$work/here") == "$beside" ]] || fail "run path $(run_path "$work/here")"

# Off, where everybody can read LibTorch: it is used there, and that is said.
build off "$work/open" OFF
install off "$work/off-prefix" || fail "the installation failed"
[[ ! -e $work/off-prefix/lib/sd/torch ]] || fail "LibTorch was copied although that is off"
[[ $(run_path "$work/off-prefix") == "$beside:$work/open/torch/lib" ]] || fail "run path $(run_path "$work/off-prefix")"
grep -q "used where it lies: $work/open/torch/lib" "$work/said" || fail "where LibTorch is used is not said"
if grep -q "Warning" "$work/said"; then fail "warned of a folder that everybody can read"; fi

# Off, where only its owner can: that is said by name, with what to do; and doing it helps.
make_libtorch "$work/home/cache"
chmod 700 "$work/home"
build private "$work/home/cache" OFF
install private "$work/private-prefix" || fail "the installation failed"
grep -q "only its owner may enter or read $work/home)" "$work/said" || fail "the private folder is not named"
grep -q -- "--prefix $work/private-prefix --component libtorch" "$work/said" || fail "no remedy is named"
install private "$work/private-prefix" --component libtorch || fail "the component could not be installed"
[[ -e $work/private-prefix/lib/sd/torch/lib/libtorch_cpu.so ]] || fail "the component does not hold LibTorch"
[[ $(run_path "$work/private-prefix") == "$beside" ]] || fail "run path $(run_path "$work/private-prefix")"
install private "$work/private-prefix" || fail "the second installation failed"
[[ $(run_path "$work/private-prefix") == "$beside" ]] || fail "a second installation brings the private folder back"

# The component alone holds nothing but LibTorch.
install private "$work/component" --component libtorch || fail "the component could not be installed first"
[[ $(cd "$work/component" && find . -type f) == ./lib/sd/torch/lib/libtorch_cpu.so ]] || fail "the component holds more"

# An installation inside the same private folder serves those who can enter it.
install private "$work/home/prefix" || fail "the installation failed"
if grep -q "Warning" "$work/said"; then fail "warned of a folder that is as private as the installation"; fi

# LibTorch has gone since: said, and no half an installation claims to work.
build gone "$work/open" ON
rm -rf "$work/open"
if install gone "$work/gone-prefix"; then fail "installed without LibTorch"; fi
{ grep -q "no longer where" "$work/said" && grep -qF "$work/open/torch/lib" "$work/said"; } || fail "it is not said what is missing"
exit "$failed"
