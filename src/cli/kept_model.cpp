#include "cli/kept_model.h"

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
                    request.dtype, request.threads);
}

FileHashes hashes_of(FileHashes files) {
  for (std::string& file : files) {
    try {
      file = file.empty() ? "" : model_hash(file);
    } catch (const IoError&) {
      file.clear();  // the model is loaded; its name will do
    }
  }
  return files;
}

}  // namespace

const LoadedModel& KeptModel::load(const LoadRequest& request) {
  if (model_ && key_of(request) == key_of(request_)) return *model_;
  model_.reset();  // never two of them in memory
  hashes_ = {};
  told_vocabulary = false;
  model_ = load_model(request);
  request_ = request;
  return *model_;
}

void KeptModel::start_hashing() {
  if (hashes_.valid()) return;
  std::packaged_task<FileHashes(FileHashes)> task([](FileHashes files) {
    setpriority(PRIO_PROCESS, 0, 19);  // of this thread only, on Linux: drawing goes first
    return hashes_of(std::move(files));
  });
  hashes_ = task.get_future().share();
  const FileHashes files = {model_->main_file, model_->vae_file, model_->clip_file};
  try {
    // Detached: Ctrl-C must not wait for seconds of hashing that nobody needs any more.
    std::thread(std::move(task), files).detach();
  } catch (const std::system_error&) {
    // No room for another thread: they are computed when they are asked for.
    hashes_ = std::async(std::launch::deferred, hashes_of, files).share();
  }
}

FileHashes KeptModel::hashes() const { return hashes_.valid() ? hashes_.get() : FileHashes(); }

}  // namespace sd::cli
