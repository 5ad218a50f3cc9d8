#include "sd/core/own_library.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>
#include <vector>

namespace sd {
namespace {

namespace fs = std::filesystem;

/// The folder of the program or shared library that this code was linked into; empty where the
/// loader knows it by a relative name only, as it does programs.
fs::path own_folder() {
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&own_library_path), &here) == 0) return {};
  const fs::path file = here.dli_fname;
  return file.is_absolute() ? file.parent_path() : fs::path();
}

}  // namespace

std::string own_library_path(const std::string& name) {
  std::error_code error;
  std::vector<fs::path> folders;
  const auto own = own_folder();
  if (!own.empty()) folders = {own, own / "sd"};
  const auto program = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (!error) {
    folders.push_back(program);
    folders.push_back(program / ".." / "lib" / "sd");
  }
  for (const auto& folder : folders) {
    if (fs::exists(folder / name, error)) return (folder / name).lexically_normal().string();
  }
  return name;
}

}  // namespace sd
