#include "pipeline/model_parts.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

namespace sd {
namespace {

/// While one lives, this thread's work on a GPU is on a stream of its own: what the GPU computes
/// meanwhile does not wait for what it is brought.
class SideStream {
 public:
  explicit SideStream(torch::Device device) {
    if (device.is_cpu()) return;
    const c10::impl::VirtualGuardImpl guard(device.type());
    stream_.emplace(guard.getStreamFromGlobalPool(device));
  }
  void wait() const {
    if (stream_) stream_->current_stream().synchronize();
  }

 private:
  std::optional<c10::StreamGuard> stream_;
};

}  // namespace

ModelParts::ModelParts(const std::vector<ParameterSlot>& slots,
                       std::shared_ptr<const TensorSource> source, LoadOptions options,
                       Policy policy)
    : source_(std::move(source)), options_(std::move(options)), policy_(policy) {
  for (const auto& slot : slots) {
    auto& part = at(part_of(slot.name));
    part.slots.push_back(slot);
    part.bytes += bytes_of(slot);
  }
  if (policy_ != Policy::kWorthwhile) {
    check_weights(slots, *source_);
    const auto total = static_cast<int64_t>(slots.size());
    if (options_.on_tensor && !options_.on_tensor(total, total)) throw Cancelled();
  } else {
    load_weights(slots, *source_, options_);
    for (auto& part : parts_) part.there = true;
  }
  options_.on_tensor = nullptr;  // whoever is told is not there later
  if (policy_ == Policy::kInBackground) loader_ = std::thread([this] { load_in_background(); });
}

ModelParts::~ModelParts() {
  stops_ = true;
  if (loader_.joinable()) loader_.join();
}

void ModelParts::load_in_background() {
  const c10::InferenceMode inference;
  try {
    const SideStream stream(options_.device);
    for (const auto part :
         {ModelPart::kText, ModelPart::kUNet, ModelPart::kDecoder, ModelPart::kEncoder}) {
      if (stops_) return;
      with_files_unchanged([&] {
        load(at(part));
        return true;
      });
      stream.wait();
      const std::lock_guard lock(mutex_);
      at(part).there = true;
      loaded_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    loaded_.notify_all();
  }
}

int64_t ModelParts::bytes_of(const ParameterSlot& slot) const {
  auto bytes = static_cast<int64_t>(c10::elementSize(options_.dtype));
  for (const int64_t side : slot.shape) bytes *= side;
  return bytes;
}

ModelParts::Use ModelParts::use(ModelPart wanted) {
  std::unique_lock lock(mutex_);
  auto& part = at(wanted);
  if (policy_ == Policy::kInBackground) {
    loaded_.wait(lock, [&] { return part.there || failure_; });
    if (!part.there) std::rethrow_exception(failure_);
  }
  if (one_at_a_time()) {
    for (auto& other : parts_) {
      if (&other != &part) release(other);
    }
  }
  if (!part.there) {
    load(part);
    part.there = true;
  }
  ++part.users;
  return {shared_from_this(), wanted};
}

void ModelParts::end_use(ModelPart part) {
  const std::lock_guard lock(mutex_);
  --at(part).users;
}

void ModelParts::put_away(ModelPart part) {
  const std::lock_guard lock(mutex_);
  if (policy_ == Policy::kInBackground) return;
  if (one_at_a_time() || at(part).bytes >= kWorthLoadingAgain) release(at(part));
}

void ModelParts::release(ModelPart part) {
  const std::lock_guard lock(mutex_);
  release(at(part));
}

bool ModelParts::is_there(ModelPart part) const {
  const std::lock_guard lock(mutex_);
  return at(part).there;
}

/// In the model's order: what comes behind the bytes that may stay is read for every call.
void ModelParts::load(Part& part) const {
  std::vector<ParameterSlot> kept;
  int64_t bytes = 0;
  for (const auto& slot : part.slots) {
    bytes += bytes_of(slot);
    if (one_at_a_time() && options_.device.is_cpu() && slot.bind_source && bytes > kMostOfAPart) {
      stream_weight(slot, source_, options_.dtype);
    } else {
      kept.push_back(slot);
    }
  }
  load_weights(kept, *source_, options_);
}

void ModelParts::release(Part& part) const {
  if (part.users > 0 || !part.there) return;
  for (const auto& slot : part.slots) {
    slot.bind(at::empty(slot.shape, at::TensorOptions().device(at::kMeta).dtype(options_.dtype)));
  }
  part.there = false;
}

ModelParts::Use use_part(const LoadedModel& model, ModelPart part) {
  return model.parts ? model.parts->use(part) : ModelParts::Use();
}

void put_part_away(const LoadedModel& model, ModelPart part) {
  if (model.parts) model.parts->put_away(part);
}

}  // namespace sd
