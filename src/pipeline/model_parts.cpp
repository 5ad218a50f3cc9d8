#include "pipeline/model_parts.h"

#include <ATen/ops/empty.h>

#include "sd/core/error.h"

namespace sd {

ModelParts::ModelParts(const std::vector<ParameterSlot>& slots,
                       std::shared_ptr<const TensorSource> source, LoadOptions options,
                       Policy policy)
    : source_(std::move(source)), options_(std::move(options)), policy_(policy) {
  for (const auto& slot : slots) {
    auto& part = at(part_of(slot.name));
    part.slots.push_back(slot);
    part.bytes += bytes_of(slot);
  }
  if (one_at_a_time()) {
    check_weights(slots, *source_);
    const auto total = static_cast<int64_t>(slots.size());
    if (options_.on_tensor && !options_.on_tensor(total, total)) throw Cancelled();
  } else {
    load_weights(slots, *source_, options_);
    for (auto& part : parts_) part.there = true;
  }
  options_.on_tensor = nullptr;  // whoever is told is not there later
}

int64_t ModelParts::bytes_of(const ParameterSlot& slot) const {
  auto bytes = static_cast<int64_t>(c10::elementSize(options_.dtype));
  for (const int64_t side : slot.shape) bytes *= side;
  return bytes;
}

ModelParts::Use ModelParts::use(ModelPart wanted) {
  const std::lock_guard lock(mutex_);
  auto& part = at(wanted);
  if (one_at_a_time()) {
    for (auto& other : parts_) {
      if (&other != &part) release(other);
    }
  }
  if (!part.there) load(part);
  ++part.users;
  return {shared_from_this(), wanted};
}

void ModelParts::end_use(ModelPart part) {
  const std::lock_guard lock(mutex_);
  --at(part).users;
}

void ModelParts::put_away(ModelPart part) {
  const std::lock_guard lock(mutex_);
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
    if (one_at_a_time() && slot.bind_source && bytes > kMostOfAPart) {
      stream_weight(slot, source_, options_.dtype);
    } else {
      kept.push_back(slot);
    }
  }
  load_weights(kept, *source_, options_);
  part.there = true;
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
