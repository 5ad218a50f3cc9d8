#include "cli/engine/engine.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <string>

#include "cli/shell/memory_guard.h"
#include "cli/shell/standard_streams.h"
#include "core/memory_failure.h"
#include "engine_entry_name.h"
#include "sd/core/error.h"
#include "sd/core/own_library.h"

namespace sd::cli {
namespace {

constexpr const char* kLibrary = "libsd_engine.so";
#define SD_TEXT_OF(name) #name
#define SD_SPELLED(name) SD_TEXT_OF(name)
constexpr const char* kEntry = SD_SPELLED(SD_ENGINE_ENTRY);
constexpr const char* kVersion = "sd_engine_version";
constexpr const char* kReport = "sd_engine_report";
constexpr const char* kOutputError = "sd_engine_output_error";

void* opened_library = nullptr;

[[noreturn]] void fail() {
  const char* reason = dlerror();
  if (reason != nullptr && tells_of_memory(reason)) {
    throw OutOfMemory(fmt::format("no memory for LibTorch, which draws: {}", reason));
  }
  throw Error(fmt::format(
      "cannot open the drawing half of the program: {}\n"
      "{} must lie beside the sd binary (or in ../lib/sd), and LibTorch in torch/lib "
      "beside that or where "
      "it was built against, readable for you: run scripts/setup.sh, build and install again, "
      "or have it copied by whoever installed it (cmake --install BUILD --component libtorch).",
      reason == nullptr ? kLibrary : reason, kLibrary));
}

/// LibTorch's threads wait for each other in loops, 300,000 turns by default: where another program
/// has one of the cores, that made small models a hundred times slower. A thousand turns lose
/// nothing on an idle machine. Read by the OpenMP library when it is loaded; the user's choice
/// stays.
void limit_waiting_in_loops() {
  if (getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/0);
}

void* open_library() {
  require_working_folder();
  limit_waiting_in_loops();
  // Never closed: LibTorch keeps threads and static state that outlive any call.
  void* library = dlopen(own_library_path(kLibrary).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail();
  MemoryGuard::watch_exit();
  opened_library = library;
  return library;
}

/// The two halves are of different builds: what each passes to the other has another shape there.
[[noreturn]] void refuse_other_build(void* library) {
  const auto version = reinterpret_cast<const char* (*)()>(dlsym(library, kVersion));
  Dl_info file{};
  if (version != nullptr) dladdr(reinterpret_cast<const void*>(version), &file);
  throw Error(
      fmt::format("{} is the drawing half of another build of sd\n"
                  "It is of {}; this program is of {} (interface {}).\n"
                  "Build or install both together: cmake --install BUILD --prefix PREFIX.",
                  file.dli_fname != nullptr ? file.dli_fname : own_library_path(kLibrary),
                  version != nullptr ? version() : "a version that does not say which it is",
                  SD_VERSION, SD_ENGINE_INTERFACE));
}

void* find_in_engine(const char* name) {
  static void* library = open_library();
  void* entry = dlsym(library, name);
  if (entry == nullptr) refuse_other_build(library);
  return entry;
}

}  // namespace

std::optional<std::filesystem::path> engine_file() {
  const std::filesystem::path path = own_library_path(kLibrary);
  return path.is_absolute() ? std::optional(path) : std::nullopt;
}

const Engine& engine() {
  static const Engine& opened = *reinterpret_cast<const Engine* (*)()>(find_in_engine(kEntry))();
  return opened;
}

int engine_output_error() {
  // Asked for at the very end: a half of another build, which was refused, has written nothing.
  void* entry = opened_library == nullptr ? nullptr : dlsym(opened_library, kOutputError);
  return entry == nullptr ? 0 : reinterpret_cast<int (*)()>(entry)();
}

std::string engine_report() {
  return reinterpret_cast<const char* (*)()>(find_in_engine(kReport))();
}

}  // namespace sd::cli
