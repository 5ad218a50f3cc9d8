#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz asks for it: into $OUT, with $CXX, $CXXFLAGS and $LIB_FUZZING_ENGINE, each with its dictionary and
# its corpus. Arguments name targets; without any, all are built.
#
# Tried without OSS-Fuzz, in a checkout:
#   SRC=$(dirname "$PWD") OUT=/tmp/out WORK=/tmp/work CC=clang CXX=clang++ LIB_FUZZING_ENGINE=-fsanitize=fuzzer \
#     CXXFLAGS=-fsanitize=address,fuzzer-no-link tests/fuzz/oss-fuzz/build.sh fuzz_npy
# SRC is the folder that holds the checkout, sd.
source_folder="$SRC/sd"
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
  # fuzz_folder needs the model in tests/data when it runs, which is not where targets run.
  mapfile -t targets < <(find "$source_folder/tests/fuzz" -maxdepth 1 -name 'fuzz_*.cpp' -printf '%f\n' | sed 's/\.cpp$//' | grep -vx fuzz_folder | sort)
fi

mkdir -p "$OUT/lib" "$WORK"
cmake -S "$source_folder" -B "$WORK/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSD_TORCH=OFF -DSD_TESTS=OFF -DSD_FUZZ=ON \
  "-DSD_FUZZING_ENGINE=$LIB_FUZZING_ENGINE" "-DCMAKE_CXX_FLAGS=${CXXFLAGS:-}"
cmake --build "$WORK/build" --target "${targets[@]}" sd_sentencepiece

# Where targets run there is no library but the system's plainest: those that are needed go along.
take_libraries() {
  ldd "$1" | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' |
    while read -r library; do cp --update --dereference "$library" "$OUT/lib/"; done
}
cp "$WORK/build/libsd_sentencepiece.so" "$OUT/"
take_libraries "$OUT/libsd_sentencepiece.so"
# shellcheck disable=SC2016  # $ORIGIN is the loader's
patchelf --set-rpath '$ORIGIN/lib' "$OUT/libsd_sentencepiece.so"
for name in "${targets[@]}"; do
  cp "$WORK/build/tests/fuzz/$name" "$OUT/"
  take_libraries "$OUT/$name"
  # shellcheck disable=SC2016
  patchelf --set-rpath '$ORIGIN:$ORIGIN/lib' "$OUT/$name"
  dictionary="$source_folder/tests/fuzz/dictionaries/$name.dict"
  [[ ! -f $dictionary ]] || cp "$dictionary" "$OUT/$name.dict"
  corpus="$source_folder/tests/fuzz/corpus/$name"
  [[ ! -d $corpus ]] || zip -q -j -r "$OUT/${name}_seed_corpus.zip" "$corpus"
done
