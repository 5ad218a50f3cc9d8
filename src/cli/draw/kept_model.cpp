#include "cli/draw/kept_model.h"

#include <sys/resource.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/model_hash.h"
#include "sd/networks/network.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShortNetworkHash = 12;  // as the web UI shows it

/// A file that was opened once is one network in all of a process's plans.
auto weights_of(const std::vector<AppliedNetwork>& networks) {
  std::vector<std::tuple<const Network*, double, double, std::vector<double>>> weights;
  for (const auto& applied : networks) {
    weights.emplace_back(applied.network.get(), applied.text_encoder, applied.unet, applied.blocks);
  }
  return weights;
}

/// All of a request but whom to tell of its progress.
auto key_of(const LoadRequest& request) {
  return std::tuple(request.checkpoint, request.config, request.separate.vae, request.separate.clip,
                    request.ema, request.prediction, request.device.kind, request.device.index,
                    request.dtype, request.weights, request.exact_convolutions, request.low_memory,
                    request.threads, weights_of(request.networks));
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

/// As pictures tell it; empty where the file cannot be read any more.
std::string short_network_hash(const std::filesystem::path& path) {
  try {
    return network_hash(path).substr(0, kShortNetworkHash);
  } catch (const Error&) {
    return {};
  }
}

/// Computes something in a thread of lowest priority.
template <typename Compute>
auto aside(Compute compute) {
  using Result = decltype(compute());
  std::packaged_task<Result()> task([compute] {
    setpriority(PRIO_PROCESS, 0, 19);  // of this thread only, on Linux: drawing goes first
    return compute();
  });
  auto result = task.get_future().share();
  try {
    // Detached: Ctrl-C must not wait for seconds of hashing that nobody needs any more.
    std::thread(std::move(task)).detach();
  } catch (const std::system_error&) {
    // No room for another thread: it is computed when it is asked for.
    result = std::async(std::launch::deferred, compute).share();
  }
  return result;
}

}  // namespace

const LoadedModel& KeptModel::load(const LoadRequest& request) {
  if (model_ && key_of(request) == key_of(request_)) return *model_;
  controls_.clear();
  model_.reset();  // never two of them in memory
  hashes_ = {};
  model_ = load_model(request);
  files_ = {loaded_file(model_->main_file), loaded_file(model_->vae_file),
            loaded_file(model_->clip_file)};
  request_ = request;
  return *model_;
}

std::vector<std::shared_ptr<const LoadedControl>> KeptModel::load_controls(
    const std::vector<std::filesystem::path>& nets) {
  std::erase_if(controls_, [&](const auto& kept) {
    return std::ranges::find(nets, kept.first) == nets.end();
  });
  std::vector<std::shared_ptr<const LoadedControl>> loaded;
  for (const auto& net : nets) {
    auto& kept = controls_[net];
    if (kept == nullptr) kept = load_control_net(net, model_.value());
    loaded.push_back(kept);
  }
  return loaded;
}

void KeptModel::start_hashing(const std::vector<std::filesystem::path>& networks) {
  if (!hashes_.valid()) hashes_ = aside([files = files_] { return hashes_of(files); });
  for (const auto& path : networks) {
    auto& hash = network_hashes_[path];
    if (!hash.valid()) hash = aside([path] { return short_network_hash(path); });
  }
}

std::string KeptModel::network_hash(const std::filesystem::path& path) const {
  const auto found = network_hashes_.find(path);
  return found == network_hashes_.end() ? std::string() : found->second.get();
}

KeptModel& KeptModels::of(std::size_t lane) {
  const std::lock_guard lock(adding_);
  while (models_.size() <= lane) models_.push_back(std::make_unique<KeptModel>());
  return *models_[lane];
}

FileHashes KeptModel::hashes() const { return hashes_.valid() ? hashes_.get() : FileHashes(); }

}  // namespace sd::cli
