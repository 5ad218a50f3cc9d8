#include "cli/draw/kept_model.h"

#include <sys/resource.h>

#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/model_hash.h"

namespace sd::cli {
namespace {

/// All of a request but whom to tell of its progress.
auto key_of(const LoadRequest& request) {
  return std::tuple(request.checkpoint, request.config, request.separate.vae, request.separate.clip,
                    request.ema, request.prediction, request.device.kind, request.device.index,
                    request.dtype, request.weights, request.exact_convolutions, request.low_memory,
                    request.threads);
}

/// Of the files that were loaded: one that has been changed or replaced since has no hash that
/// would be true of the pictures.
FileHashes hashes_of(const std::vector<LoadedFile>& files) {
  FileHashes hashes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    try {
      if (files[i].path.empty() || !files[i].stamp) continue;
      auto hash = model_hash(files[i].path);
      if (stamp_at(files[i].path) == *files[i].stamp) hashes[i] = std::move(hash);
    } catch (const IoError&) {
      // The model is loaded; its name will do.
    }
  }
  return hashes;
}

LoadedFile loaded_file(const std::string& path) {
  if (path.empty()) return {};
  try {
    return {path, stamp_at(path)};
  } catch (const IoError&) {
    return {path, std::nullopt};  // gone already
  }
}

}  // namespace

const LoadedModel& KeptModel::load(const LoadRequest& request) {
  if (model_ && key_of(request) == key_of(request_)) return *model_;
  model_.reset();  // never two of them in memory
  hashes_ = {};
  model_ = load_model(request);
  files_ = {loaded_file(model_->main_file), loaded_file(model_->vae_file),
            loaded_file(model_->clip_file)};
  request_ = request;
  return *model_;
}

void KeptModel::start_hashing() {
  if (hashes_.valid()) return;
  std::packaged_task<FileHashes(std::vector<LoadedFile>)> task(
      [](const std::vector<LoadedFile>& files) {
        setpriority(PRIO_PROCESS, 0, 19);  // of this thread only, on Linux: drawing goes first
        return hashes_of(files);
      });
  hashes_ = task.get_future().share();
  try {
    // Detached: Ctrl-C must not wait for seconds of hashing that nobody needs any more.
    std::thread(std::move(task), files_).detach();
  } catch (const std::system_error&) {
    // No room for another thread: they are computed when they are asked for.
    hashes_ = std::async(std::launch::deferred, hashes_of, files_).share();
  }
}

KeptModel& KeptModels::of(std::size_t lane) {
  const std::lock_guard lock(adding_);
  while (models_.size() <= lane) models_.push_back(std::make_unique<KeptModel>());
  return *models_[lane];
}

FileHashes KeptModel::hashes() const { return hashes_.valid() ? hashes_.get() : FileHashes(); }

}  // namespace sd::cli
