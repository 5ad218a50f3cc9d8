#include "cli/models/find_model.h"

#include <fmt/format.h>

#include <string>
#include <system_error>

#include "cli/models/named_models.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace fs = std::filesystem;

void require_model(const std::string& what, const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error)) return;
  if (const auto dead = dead_link(path)) throw IoError(what + *dead);
  throw IoError(
      fmt::format("{}{} does not exist\nGive a .ckpt or .safetensors file, or a diffusers folder.",
                  what, path.string()));
}

std::vector<fs::path> model_roots() {
  std::vector<fs::path> roots = {fs::path()};
  std::error_code error;
  const auto binary = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    roots.push_back(binary.parent_path().parent_path());
    roots.push_back(binary.parent_path().parent_path() / "share" / "sd");
  }
  return roots;
}

fs::path find_in_roots(const char* option, const char* name, const std::vector<fs::path>& roots) {
  std::string looked_in;
  for (const auto& root : roots) {
    if (is_named(root / name)) {
      require_model(fmt::format("{}: ", option), root / name);
      return root / name;
    }
    looked_in += "\n  " + (root / name).string();
  }
  throw IoError(fmt::format("{}: {} is not there\nLooked for{}", option, name, looked_in));
}

FoundModel find_model(const std::optional<fs::path>& ckpt, const std::vector<fs::path>& roots) {
  if (ckpt) {
    const auto models = models_folder();
    if (models && !ckpt->is_absolute() && !is_named(*ckpt))
      return {model_named(ckpt->string(), *models), false};
    require_model("--ckpt: ", *ckpt);
    return {*ckpt, false};
  }
  std::string looked_in;
  for (const char* name : {kDefaultCheckpoint, kForkCheckpoint, kDemoModel}) {
    for (const auto& root : roots) {
      const auto candidate = root / name;
      if (is_named(candidate)) {  // a broken link must not turn into the demo model
        require_model("", candidate);
        return {candidate, name == kDemoModel};
      }
      looked_in += "\n  " + candidate.string();
    }
  }
  throw IoError(
      fmt::format("no model found: give one with --ckpt, or place one at\n  {}\nLooked for{}",
                  kDefaultCheckpoint, looked_in));
}

}  // namespace sd::cli
