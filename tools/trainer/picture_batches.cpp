#include "trainer/picture_batches.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <cstring>

namespace sd::train {
namespace {

// No two steps share a scene index below this many pictures a batch.
constexpr uint64_t kScenesAStep = 4096;

}  // namespace

torch::Tensor to_tensor(const std::vector<const Image*>& pictures) {
  const int64_t height = pictures.front()->height, width = pictures.front()->width;
  auto bytes = at::empty({static_cast<int64_t>(pictures.size()), height, width, 3}, at::kByte);
  auto* out = bytes.mutable_data_ptr<uint8_t>();
  for (const auto* picture : pictures) {
    std::memcpy(out, picture->pixels.data(), picture->pixels.size());
    out += picture->pixels.size();
  }
  return bytes.permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1);  // channels-last memory
}

torch::Tensor PictureBatches::make(int64_t step, Shape shape) const {
  std::vector<torch::Tensor> crops;
  for (int64_t i = 0; i < shape.batch; ++i) {
    const uint64_t index = static_cast<uint64_t>(step) * kScenesAStep + static_cast<uint64_t>(i);
    const auto scene = scenes_.make(seed_, index, Split::kTrain);
    const int64_t room = scene.picture.width - shape.crop + 1;
    // Any well mixed function of the index does; crops must not repeat with a short period.
    const uint64_t mixed = (index + 1) * 0x9e3779b97f4a7c15ULL;
    const auto x = static_cast<int64_t>((mixed >> 20) % static_cast<uint64_t>(room));
    const auto y = static_cast<int64_t>((mixed >> 42) % static_cast<uint64_t>(room));
    crops.push_back(
        to_tensor({&scene.picture})[0].narrow(1, y, shape.crop).narrow(2, x, shape.crop));
  }
  return at::stack(crops).contiguous(at::MemoryFormat::ChannelsLast);
}

torch::Tensor PictureBatches::get(int64_t step, const Shape& shape) {
  auto batch =
      next_.valid() && next_step_ == step && next_shape_ == shape ? next_.get() : make(step, shape);
  next_step_ = step + 1;
  next_shape_ = shape;
  next_ =
      std::async(std::launch::async, [this, shape, next = step + 1] { return make(next, shape); });
  return batch;
}

}  // namespace sd::train
