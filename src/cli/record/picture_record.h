#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/options/name_template.h"
#include "sd/image/infotext.h"
#include "sd/image/png.h"

namespace sd::cli {

/// A learnt word that prompts of a run use.
struct UsedEmbedding {
  std::string name;
  std::string file;  // its name
  std::string hash;  // 12 hex digits of the file's SHA-256
};

/// What all pictures of a run share, after defaults were filled in and the model was loaded.
struct RunRecord {
  DrawOptions options;
  int64_t width = 512;
  int64_t height = 512;
  std::string model_name;    // "v1-5-pruned-emaonly"
  std::string model_format;  // "ckpt", "safetensors", "diffusers"
  std::string model_hash;    // 10 hex digits (sd/core/model_hash.h); empty if unknown
  std::string vae_hash;      // likewise of --vae
  std::string clip_hash;     // likewise of --clip
  std::vector<UsedEmbedding> embeddings;
  std::string device;  // "cpu", "cuda"
  std::string dtype;   // "f32", "bf16", "f16"
  int threads = 1;
  int64_t samples = 1;  // of the whole run, also where one alone is drawn
  std::map<std::string, std::string> lora_hashes;  // 12 hex digits, by name
  /// Of input files, by option: hash_input_files.
  std::map<std::string, std::string> file_hashes;
};

/// Where one picture stands in the run.
struct PictureRecord {
  std::string prompt;
  std::optional<std::string> source;  // the prompt drawn beside it
  bool is_source = false;             // this picture is that one
  int64_t target = 0;                 // of several prompts beside one source
  int64_t sample = 0;                 // in the batch
  int64_t prompt_index = 0;           // in the list of prompts, from 0
  int64_t prompt_count = 1;
  int64_t prompt_line = 0;  // of --from-file, from 1; 0 without one
  int64_t iteration = 0;    // of --n_iter
  int64_t batch = 0;        // in the whole run
  int64_t batch_size = 1;
  int64_t row = 0;           // in the batch: target by target, its samples
  int64_t index = 0;         // in the whole run
  int64_t sample_index = 0;  // in the whole run, the targets of a sample counted once
  int64_t grid = 0;          // pictures in this one; 0: it is a single one
};

/// The command whose name a picture's settings have: `attn` draws as txt2img does.
const char* command_of(DrawTask task);

/// The name people know a model by: the file's name without its ending, or the folder's.
std::string model_name(const std::filesystem::path& checkpoint);

/// The `--reweight` of one sample of a batch: "red=2, cat#2=0.5".
std::string weights_text(const ControlOptions& control, int64_t sample);

/// What A1111 would write into `parameters`.
Infotext infotext_of(const RunRecord& run, const PictureRecord& picture);

/// Every setting, enough to draw the picture again byte for byte.
nlohmann::ordered_json settings_of(const RunRecord& run, const PictureRecord& picture);

/// What the picture's name may tell; the time is now.
NameFields name_fields_of(const RunRecord& run, const PictureRecord& picture);

/// The text chunks of a picture: `parameters` and `sd`.
std::vector<PngText> png_texts(const RunRecord& run, const PictureRecord& picture);

/// One line of `--json`. `path` is empty when the picture was not saved; `seconds` is the picture's
/// share of the time that its batch took.
std::string json_line(const RunRecord& run, const PictureRecord& picture,
                      const std::filesystem::path& path, double seconds);
std::string maps_json_line(const std::filesystem::path& contact,
                           const std::filesystem::path& picture);
std::string grid_json_line(const std::filesystem::path& path, std::size_t pictures);

}  // namespace sd::cli
