#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/file_stamp.h"
#include "sd/pipeline/control_net.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

/// First 10 hex digits of the SHA-256 of a model's file, its `--vae` and its `--clip`; empty where
/// there is none or it could not be read.
using FileHashes = std::array<std::string, 3>;

/// A file that a model was loaded from, and what tells it apart from what has its name later.
struct LoadedFile {
  std::string path;  // empty: there is none
  std::optional<FileStamp> stamp;
};

/// What was said of models, once each.
struct ToldOfModels {
  std::set<std::filesystem::path> vocabulary;  // what words they know
  bool overflow = false;                       // that an autoencoder went beyond half precision
};

/// The model of the run, or of one task after the other.
class KeptModel {
 public:
  /// Loads the model, unless it is the one that is there. Throws as load_model does.
  const LoadedModel& load(const LoadRequest& request);

  /// The control nets of these files for the model that is there, loaded unless they are there.
  /// Others leave memory. Throws as load_control_net does.
  std::vector<std::shared_ptr<const LoadedControl>> load_controls(
      const std::vector<std::filesystem::path>& nets);

  /// Begins to compute the hashes, of LoRAs too, in threads of lowest priority.
  void start_hashing(const std::vector<std::filesystem::path>& networks);
  /// Waits for them; they are all empty if they were never asked for.
  FileHashes hashes() const;
  /// Waits for a LoRA's: its first 12 hex digits (network_hash).
  std::string network_hash(const std::filesystem::path& path) const;

 private:
  LoadRequest request_;
  std::vector<LoadedFile> files_;  // main, --vae, --clip
  std::optional<LoadedModel> model_;
  std::map<std::filesystem::path, std::shared_ptr<const LoadedControl>> controls_;  // for it
  std::shared_future<FileHashes> hashes_;
  std::map<std::filesystem::path, std::shared_future<std::string>> network_hashes_;
};

/// The models of a process: one a lane (plan/lanes.h).
class KeptModels {
 public:
  /// May be called by several threads, each for a lane of its own.
  KeptModel& of(std::size_t lane);

  ToldOfModels told;  // for those whose turn it is

 private:
  std::mutex adding_;
  std::vector<std::unique_ptr<KeptModel>> models_;
};

}  // namespace sd::cli
