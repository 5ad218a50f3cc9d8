#include "trainer/classifier_data.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>

#include <cstring>

namespace sd::train {
namespace {

constexpr double kBend = 0.05;         // of half the picture's side: 3 pixels, deviation
constexpr int64_t kBendKnots = 5;      // a side
constexpr double kContrast = 0.12;     // deviation around 1
constexpr double kColour = 0.04;       // deviation of each channel's shift, of [-1,1]
constexpr double kFineNoise = 0.06;    // largest deviation
constexpr double kCoarseNoise = 0.12;  // largest deviation, over spots of kSpot pixels
constexpr int64_t kSpot = 5;
constexpr double kCoarse = 0.4;  // share of pictures that lose what is finer than kGrain
constexpr int64_t kGrain = 4;    // pixels
constexpr double kLeastColour = 0.65, kMostColour = 1.2;  // saturation

/// Random numbers of one seed, uniform and normal.
class Draws {
 public:
  explicit Draws(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}
  torch::Tensor uniform(at::IntArrayRef shape) { return at::rand(shape, generator_, at::kFloat); }
  torch::Tensor normal(at::IntArrayRef shape) { return at::randn(shape, generator_, at::kFloat); }

 private:
  at::Generator generator_;
};

/// Gaussian of deviation 1.5 over 7 x 7 pixels.
torch::Tensor blurred(const torch::Tensor& pictures) {
  const auto position = at::linspace(-3, 3, 7, at::kFloat);
  const auto weights = (-position.square() / (2 * 1.5 * 1.5)).exp();
  const auto kernel = (weights / weights.sum()).expand({3, 1, 1, 7});
  const auto wide = at::conv2d(pictures, kernel, {}, 1, at::IntArrayRef({0, 3}), 1, 3);
  return at::conv2d(wide, kernel.transpose(2, 3), {}, 1, at::IntArrayRef({3, 0}), 1, 3);
}

/// Without detail finer than kGrain, as autoencoders leave small things.
torch::Tensor coarse(const torch::Tensor& pictures) {
  const int64_t side = pictures.size(2);
  return at::upsample_bilinear2d(at::avg_pool2d(pictures, {kGrain, kGrain}), {side, side}, false);
}

void bend(LabelledScenes& scenes, Draws& draws) {
  const int64_t n = scenes.pictures.size(0), side = scenes.pictures.size(2);
  const auto amount = kBend * draws.uniform({n, 1, 1, 1});
  const auto shift = at::upsample_bicubic2d(amount * draws.normal({n, 2, kBendKnots, kBendKnots}),
                                            {side, side}, true);
  const double last = 1 - 1.0 / static_cast<double>(side);  // centre of the last pixel
  const auto position = at::linspace(-last, last, side, at::kFloat);
  const auto straight =
      at::stack({position.view({1, side}).expand({side, side}),
                 position.view({side, 1}).expand({side, side})});  // x, y: [2,S,S]
  const auto grid = (straight + shift).permute({0, 2, 3, 1});
  constexpr int64_t kBilinear = 0, kBorder = 1;
  const auto bent = at::grid_sampler(at::cat({scenes.pictures, scenes.masks}, 1), grid, kBilinear,
                                     kBorder, /*align_corners=*/false);
  scenes.pictures = bent.narrow(1, 0, 3);
  scenes.masks = bent.narrow(1, 3, 2);
}

}  // namespace

void imitate_drawing(LabelledScenes& scenes, uint64_t seed) {
  Draws draws(seed);
  bend(scenes, draws);
  const int64_t n = scenes.pictures.size(0), side = scenes.pictures.size(2);
  auto x = scenes.pictures;
  x = x + draws.uniform({n, 1, 1, 1}) * (blurred(x) - x);
  const auto chosen = draws.uniform({n, 1, 1, 1}).lt(kCoarse).to(at::kFloat);
  x = x + chosen * draws.uniform({n, 1, 1, 1}) * (coarse(x) - x);
  const auto grey = x.mean(1, /*keepdim=*/true);
  x = grey +
      (kLeastColour + (kMostColour - kLeastColour) * draws.uniform({n, 1, 1, 1})) * (x - grey);
  x = x * (1 + kContrast * draws.normal({n, 1, 1, 1})) + kColour * draws.normal({n, 3, 1, 1});
  const auto spots = at::upsample_bilinear2d(draws.normal({n, 3, side / kSpot, side / kSpot}),
                                             {side, side}, false);
  // Squared, so that most pictures have little of it.
  x = x + kCoarseNoise * draws.uniform({n, 1, 1, 1}).square() * spots;
  x = x + kFineNoise * draws.uniform({n, 1, 1, 1}).square() * draws.normal(x.sizes());
  scenes.pictures = x.clamp(-1, 1);
}

LabelledScenes LabelledBatches::make(int64_t step) const {
  constexpr int64_t kSide = kSceneSide;
  auto pictures = at::empty({batch_, kSide, kSide, 3}, at::kByte);
  auto masks = at::zeros({batch_, 2, kSide, kSide}, at::kByte);
  std::vector<int64_t> kinds, tint, background;
  for (int64_t i = 0; i < batch_; ++i) {
    const auto scene = scenes_.make(seed_, static_cast<uint64_t>(step * batch_ + i), Split::kTrain);
    std::memcpy(pictures.mutable_data_ptr<uint8_t>() + i * kSide * kSide * 3,
                scene.picture.pixels.data(), scene.picture.pixels.size());
    background.push_back(scene.background);
    for (std::size_t o = 0; o < 2; ++o) {
      const bool there = o < scene.objects.size();
      const auto object = there ? scene.objects[o] : SceneObject();
      kinds.push_back(object.kind);
      tint.push_back(object.tint == kAbsent ? static_cast<int64_t>(tints().size()) : object.tint);
      if (!there) continue;
      std::memcpy(
          masks.mutable_data_ptr<uint8_t>() + (2 * i + static_cast<int64_t>(o)) * kSide * kSide,
          object.mask.data(), object.mask.size());
    }
  }
  return {pictures, masks, at::tensor(kinds, at::kLong).view({batch_, 2}),
          at::tensor(tint, at::kLong).view({batch_, 2}), at::tensor(background, at::kLong)};
}

LabelledScenes LabelledBatches::get(int64_t step) {
  auto batch = next_.valid() && next_step_ == step ? next_.get() : make(step);
  next_step_ = step + 1;
  next_ = std::async(std::launch::async, [this, next = step + 1] { return make(next); });
  // Bytes until here: arithmetic in the other thread would start a second team of threads.
  batch.pictures = batch.pictures.permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1);
  batch.masks = batch.masks.to(at::kFloat).div_(255);
  return batch;
}

}  // namespace sd::train
