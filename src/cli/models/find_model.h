#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd::cli {

/// Where the original script expects its weights, relative to the working directory.
inline constexpr const char* kDefaultCheckpoint = "models/ldm/stable-diffusion-v1/model.ckpt";
/// Where the fork's scripts do, beside the original's.
inline constexpr const char* kForkCheckpoint =
    "models/ldm/stable-diffusion-v1/sd-v1-3-full-ema.ckpt";
/// The same for `--laion400m`.
inline constexpr const char* kLaionCheckpoint = "models/ldm/text2img-large/model.ckpt";
inline constexpr const char* kLaionConfig = "configs/latent-diffusion/txt2img-1p4B-eval.yaml";
/// The model that comes with the project.
inline constexpr const char* kDemoModel = "models/demo";

struct FoundModel {
  std::filesystem::path checkpoint;
  bool is_demo = false;  // nothing was asked for and the scripts' defaults are absent
};

/// Folders that may hold `models/`: the working directory, the project that the binary was built in
/// (the parent of its build folder), `../share/sd` beside an installed binary.
std::vector<std::filesystem::path> model_roots();

/// `name` in the first of `roots` that has it. Throws IoError for `option`, naming where was
/// looked, or the link that is there and leads nowhere.
std::filesystem::path find_in_roots(const char* option, const char* name,
                                    const std::vector<std::filesystem::path>& roots);

/// What `--ckpt` names (a path, else a model in SD_MODELS_DIR), else the original's default, else
/// the fork's, else the demo model, in the first of `roots` that has it. Throws IoError if it is
/// not there, naming where was looked.
FoundModel find_model(const std::optional<std::filesystem::path>& ckpt,
                      const std::vector<std::filesystem::path>& roots);

/// Throws IoError, beginning with `what` ("--vae: "), unless a file or folder of this name is
/// there.
void require_model(const std::string& what, const std::filesystem::path& path);

}  // namespace sd::cli
