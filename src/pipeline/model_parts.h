#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sd/core/parameter_slot.h"
#include "sd/pipeline/load.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/tensor_source.h"
#include "weights/model_part.h"

namespace sd {

/// The weights of a model's parts, which may leave memory and come back from their files, with the
/// same values. Requests that share a model share this: what one of them uses stays.
class ModelParts : public std::enable_shared_from_this<ModelParts> {
 public:
  enum class Policy {
    kWorthwhile,    // what is put away goes where that frees enough to be worth loading it again
    kInBackground,  // parts are loaded by a thread, the text encoder first, and stay
    kOneAtATime,    // a part is loaded when it is used, and the others go; the largest is read in
                    // part
  };

  /// `slots` are those of all parts, and `source` has all of them. Loads them, or begins to, unless
  /// parts are loaded one at a time. Keeps `source` mapped.
  ModelParts(const std::vector<ParameterSlot>& slots, std::shared_ptr<const TensorSource> source,
             LoadOptions options, Policy policy);

  ~ModelParts();
  ModelParts(const ModelParts&) = delete;
  ModelParts& operator=(const ModelParts&) = delete;

  /// While one lives, its part is there.
  class Use {
   public:
    Use() = default;
    Use(std::shared_ptr<ModelParts> parts, ModelPart part)
        : parts_(std::move(parts)), part_(part) {}
    Use(Use&& other) noexcept = default;
    Use& operator=(Use&&) = delete;
    ~Use() {
      if (parts_) parts_->end_use(part_);
    }

   private:
    std::shared_ptr<ModelParts> parts_;
    ModelPart part_ = ModelPart::kText;
  };
  /// Loads the part if it is not there, or waits for whoever does. Throws as load_weights does.
  Use use(ModelPart part);

  /// Says that the part is not needed for a while. By the policy it leaves memory, unless it is
  /// used.
  void put_away(ModelPart part);
  /// The part leaves memory, unless it is used.
  void release(ModelPart part);

  bool is_there(ModelPart part) const;
  bool one_at_a_time() const { return policy_ == Policy::kOneAtATime; }

 private:
  struct Part {
    std::vector<ParameterSlot> slots;
    int64_t bytes = 0;
    int users = 0;
    bool there = false;
  };
  Part& at(ModelPart part) { return parts_[static_cast<std::size_t>(part)]; }
  const Part& at(ModelPart part) const { return parts_[static_cast<std::size_t>(part)]; }
  void load(Part& part) const;
  void load_in_background();
  void release(Part& part) const;
  void end_use(ModelPart part);
  int64_t bytes_of(const ParameterSlot& slot) const;

  const std::shared_ptr<const TensorSource> source_;
  LoadOptions options_;
  const Policy policy_;
  mutable std::mutex mutex_;
  std::array<Part, 4> parts_;
  std::condition_variable loaded_;  // a part, or that there was an error
  std::exception_ptr failure_;      // of the thread
  std::atomic<bool> stops_ = false;
  std::thread loader_;
};

/// The use of a part of a model; of one whose parts are always there it says nothing.
ModelParts::Use use_part(const LoadedModel& model, ModelPart part);
void put_part_away(const LoadedModel& model, ModelPart part);

}  // namespace sd
