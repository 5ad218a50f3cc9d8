#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sd {

/// What a LoRA or one of its kin says of itself, by its names, shapes and metadata.
struct NetworkInfo {
  std::string format;       // "safetensors", "ckpt", …
  std::string kind;         // "LoRA", "LoCon", "LoHa", "LoCon with DoRA", "LoRA + norm", …
  std::string family;       // "Stable Diffusion v1", "Stable Diffusion v2"; empty: nothing tells it
  std::string output_name;  // `ss_output_name`, or the metadata's title
  int64_t modules = 0;      // layers that it changes
  int64_t text_encoder = 0;     // how many of them the text encoder has
  int64_t unet = 0;             // and the UNet; those of neither are named when it is matched
  int64_t least_rank = 0;       // 0: a kind without ranks
  int64_t largest_rank = 0;     //
  std::optional<double> alpha;  // where all modules have the same
  std::vector<std::pair<std::string, int64_t>> trigger_words;  // most frequent first
  std::vector<std::pair<std::string, std::string>> training;   // settings, the most telling first
  std::vector<std::pair<std::string, std::string>> metadata;   // all of a .safetensors

  /// "text encoder and UNet", "UNet", "text encoder".
  std::string parts() const;
  /// "rank 16", "rank 4 to 32"; empty for a kind without ranks.
  std::string ranks() const;
};

/// A LoRA-family file that was read: its tensors stay in the mapped file until they are asked for.
class Network {
 public:
  struct Contents;  // its modules; of the room's own

  explicit Network(std::unique_ptr<const Contents> contents);
  ~Network();
  const NetworkInfo& info() const;
  /// The path it was opened by: for messages.
  const std::string& label() const;
  const Contents& contents() const { return *contents_; }

 private:
  std::unique_ptr<const Contents> contents_;
};

/// Opens a LoRA, LoCon, LoHa, LoKr, GLoRA, (IA)³, OFT, BOFT, DoRA, or a set of full differences, in
/// kohya's, LyCORIS', PEFT's or any of diffusers' spellings; .safetensors, .pt, .ckpt, .bin, or a
/// folder as PEFT and diffusers write one. Throws IoError, or CheckpointError for a file that is
/// damaged, is something else (named), or was made for Stable Diffusion XL, 3, FLUX and others.
std::shared_ptr<const Network> open_network(const std::filesystem::path& path);

/// The same of one for any family of models, for a look at it.
NetworkInfo describe_network(const std::filesystem::path& path);

/// Whether a file or folder has the names of a LoRA or its kin; from headers. Throws as readers do.
bool is_network(const std::filesystem::path& path);

/// AutoV3: SHA-256 in hex digits of what stands behind a .safetensors' header, so that edited
/// metadata do not change it. Of other formats the whole file's. Throws IoError.
std::string network_hash(const std::filesystem::path& path);

}  // namespace sd
