#pragma once

#include <torch/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sd/image/image.h"
#include "sd/pipeline/load.h"
#include "sd/sd.h"
#include "sd/text/tokenizer.h"

namespace sd::capi {

/// A model that draws for one thread at a time.
class SharedModel {
 public:
  explicit SharedModel(LoadedModel model) : model_(std::move(model)) {}

  const LoadedModel& model() const { return model_; }

  /// Runs `work` when nobody else does. Throws UsageError where a callback would wait for itself.
  template <typename Work>
  void draw(Work work) {
    if (drawing_ == std::this_thread::get_id()) {
      throw UsageError("on_progress must not draw with the model that calls it");
    }
    const std::lock_guard lock(mutex_);
    const Owner owner(drawing_);
    work(model_);
  }

 private:
  /// Says whose turn it is.
  struct Owner {
    explicit Owner(std::atomic<std::thread::id>& whose) : id(whose) {
      id = std::this_thread::get_id();
    }
    ~Owner() { id = std::thread::id(); }
    std::atomic<std::thread::id>& id;
  };

  LoadedModel model_;
  std::mutex mutex_;
  std::atomic<std::thread::id> drawing_ = std::thread::id();
};

/// How a C caller is told how far a run is; null where there is nobody to tell.
ProgressCallback progress_of(sd_progress on_progress, void* user);

}  // namespace sd::capi

/// Holds a share of the model, which a call that draws holds too: freeing one of them is no harm.
struct sd_model {
  std::shared_ptr<sd::capi::SharedModel> shared;
};

struct sd_drawing {
  std::vector<sd::Image> pictures;                 // all of one size
  std::vector<std::string> prompts;                // of each picture
  std::vector<torch::Tensor> maps;                 // of each, [tokens,h,w]; none if not asked for
  std::shared_ptr<const sd::Tokenizer> tokenizer;  // that read the prompts
};
