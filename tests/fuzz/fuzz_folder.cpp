// The JSON files of a diffusers folder. The first byte chooses which one the rest of the input is;
// the others are the tiny model's.
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "sd/core/error.h"
#include "support/temp_folder.h"
#include "weights/diffusers_config.h"
#include "weights/sharded_files.h"

namespace {

namespace fs = std::filesystem;

constexpr std::array kFiles = {"model_index.json", "unet/config.json", "vae/config.json",
                               "text_encoder/config.json", "scheduler/scheduler_config.json"};
constexpr const char* kIndex = "model.safetensors.index.json";

fs::path example() { return fs::path(SD_SOURCE_DIR) / "tests/data/tiny-v1-diffusers"; }

/// A copy of the tiny model's settings.
class FolderSettings {
 public:
  FolderSettings() {
    for (const char* file : kFiles) {
      fs::create_directories((folder_ / file).parent_path());
      restore(file);
    }
  }
  fs::path path() const { return folder_.path(); }
  void restore(const char* file) const {
    fs::copy_file(example() / file, folder_ / file, fs::copy_options::overwrite_existing);
  }

 private:
  sd::test::TempFolder folder_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  static const FolderSettings settings;
  const std::size_t which = bytes[0] % (kFiles.size() + 1);
  const bool setting = which < kFiles.size();
  const auto path = settings.path() / (setting ? kFiles[which] : kIndex);
  const std::string_view contents(reinterpret_cast<const char*>(bytes), size);
  sd::test::write_text(path, contents.substr(1));
  try {
    if (setting) {
      sd::read_diffusers_config(settings.path());
    } else {
      sd::read_shard_index(path);
    }
  } catch (const sd::CheckpointError&) {
  }
  if (setting) settings.restore(kFiles[which]);
  return 0;
}
