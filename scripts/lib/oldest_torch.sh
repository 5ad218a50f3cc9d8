# shellcheck shell=bash
# The oldest LibTorch that is supported. To be sourced after common.sh, which knows sd_root.
: "${sd_root:?}"

# use_oldest_torch: exports Torch_ROOT, unless it is set; downloads that LibTorch where it is not there yet.
use_oldest_torch() {
  [[ -z ${Torch_ROOT:-} ]] || return 0
  local deps="${SD_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sd/deps}/oldest"
  SD_VERSIONS_FILE="$sd_root/scripts/gpu/versions.txt" SD_DEPS_DIR="$deps" "$sd_root/scripts/setup.sh" --cpu
  export Torch_ROOT="$deps/current/torch"
}
