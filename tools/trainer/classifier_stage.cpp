#include "trainer/classifier_stage.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/one_hot.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "trainer/classifier_data.h"
#include "trainer/eval_metrics.h"
#include "trainer/initialize.h"
#include "trainer/optimizer.h"
#include "trainer/stage_clock.h"

namespace sd::train {
namespace {

constexpr int64_t kBatch = 32;
constexpr double kTintWeight = 0.3, kBackgroundWeight = 0.2;
constexpr LearningRate kLearningRate{3e-3, 100, 0.3, 0.02};
constexpr std::size_t kMeasureBatch = 32;

struct CellLosses {
  torch::Tensor kind, tint, background;
};

/// For each of [N,2] labels, how much of each cell its object covers: [N,classes,cells].
torch::Tensor spread(const torch::Tensor& labels, const torch::Tensor& coverage, int64_t classes) {
  return at::matmul(at::one_hot(labels, classes).to(at::kFloat).transpose(1, 2), coverage);
}

torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& target) {
  return -(target * at::log_softmax(logits.flatten(2), 1)).sum() / target.sum().clamp_min(1);
}

CellLosses losses_of(Classifier& classifier, const LabelledScenes& scenes) {
  const auto dtype = cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
  const auto logits =
      classifier->forward(scenes.pictures.to(dtype).contiguous(at::MemoryFormat::ChannelsLast));
  const auto coverage = at::avg_pool2d(scenes.masks, {kCellPixels, kCellPixels}).flatten(2);
  const auto free = (1 - coverage.sum(1, /*keepdim=*/true)).clamp(0, 1);  // [N,1,cells]
  const auto kinds = static_cast<int64_t>(object_kinds().size());
  const auto background =
      at::one_hot(scenes.background, logits.background.size(1)).to(at::kFloat).unsqueeze(2);
  return {cross_entropy(logits.kind, at::cat({spread(scenes.kinds, coverage, kinds), free}, 1)),
          cross_entropy(logits.tint, spread(scenes.tints, coverage, logits.tint.size(1))),
          cross_entropy(logits.background, background * free)};
}

void copy_from(const std::filesystem::path& file, FlatParameters& parameters) {
  const c10::InferenceMode inference;
  auto known = load_classifier(file);
  const auto weights = known->named_parameters();
  for (const auto& entry : parameters.entries()) {
    FlatParameters::view(parameters.values(), entry).copy_(weights[entry.name]);
  }
}

Classifier averaged(const FlatParameters& parameters, const torch::Tensor& average) {
  std::map<std::string, torch::Tensor> weights;
  for (const auto& entry : parameters.entries()) {
    weights[entry.name] = FlatParameters::view(average, entry).clone();
  }
  Classifier classifier;
  for (const auto& slot : parameter_slots(*classifier)) slot.bind(weights.at(slot.name));
  return classifier;
}

PixelBox box_of_mask(const std::vector<uint8_t>& mask) {
  constexpr uint8_t kVisible = 128;
  PixelBox box{kSceneSide, kSceneSide, 0, 0};
  for (int y = 0; y < kSceneSide; ++y) {
    for (int x = 0; x < kSceneSide; ++x) {
      if (mask[static_cast<std::size_t>(y * kSceneSide + x)] < kVisible) continue;
      box.left = std::min<double>(box.left, x);
      box.top = std::min<double>(box.top, y);
      box.right = std::max<double>(box.right, x + 1);
      box.bottom = std::max<double>(box.bottom, y + 1);
    }
  }
  return box;
}

/// Sums of what ClassifierAccuracy has as shares.
struct Tally {
  double objects = 0, found = 0, tints = 0, named = 0, named_right = 0, iou = 0;
  double singles = 0, single = 0, pairs = 0, both = 0, backgrounds = 0, exact = 0, scenes = 0;

  void count(const Scene& scene, const PictureReading& reading) {
    std::size_t here = 0;
    for (const auto& object : scene.objects) {
      ++objects;
      const auto* match = find_object(reading, object.kind);
      if (match == nullptr) continue;
      ++here;
      tints += match->tint == object.tint;
      named += object.tint != kAbsent;
      named_right += object.tint != kAbsent && match->tint == object.tint;
      iou += box_iou(match->box, box_of_mask(object.mask));
    }
    found += static_cast<double>(here);
    const bool one = scene.objects.size() == 1;
    (one ? singles : pairs) += 1;
    single += one && !reading.objects.empty() &&
              reading.objects.front().kind == scene.objects.front().kind;
    both += !one && here == 2;
    exact += here == scene.objects.size() && reading.objects.size() == here;
    backgrounds += reading.background == scene.background;
    ++scenes;
  }
};

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

Classifier train_classifier(const RunContext& run, const SceneGenerator& scenes,
                            const ClassifierRun& wanted) {
  Classifier classifier;
  FlatParameters parameters(parameter_slots(*classifier));
  initialize(parameters, wanted.seed);
  if (!wanted.init.empty()) copy_from(wanted.init, parameters);
  OptimizerSettings settings;
  settings.ema_decay = 0.99;  // thousands of steps, not a hundred thousand
  Optimizer optimizer(parameters, settings);
  optimizer.average.copy_(parameters.values());
  LabelledBatches batches(scenes, wanted.seed, kBatch);
  Position position;
  StageClock clock(run, "classifier", wanted.pictures, position);
  while (!clock.done()) {
    if (run.stop_requested()) throw Cancelled();
    auto batch = batches.get(position.step);
    imitate_drawing(batch, wanted.seed + static_cast<uint64_t>(position.step));
    const auto losses = losses_of(classifier, batch);
    (losses.kind + kTintWeight * losses.tint + kBackgroundWeight * losses.background).backward();
    const double rate = kLearningRate.at(clock.share(), position.step);
    const double norm = optimizer.step(rate);
    clock.count(kBatch,
                {{"kind", losses.kind.item<double>()},
                 {"tint", losses.tint.item<double>()},
                 {"background", losses.background.item<double>()}},
                rate, norm);
  }
  return averaged(parameters, optimizer.average);
}

ClassifierAccuracy measure_classifier(Classifier& classifier, const SceneGenerator& scenes,
                                      int64_t n, uint64_t seed,
                                      const std::function<Image(Image)>& change) {
  Tally tally;
  std::vector<Scene> batch;
  const auto flush = [&] {
    std::vector<const Image*> pictures;
    for (const auto& scene : batch) pictures.push_back(&scene.picture);
    const auto grids = classify(classifier, pictures);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      tally.count(batch[i], read(grids[i], batch[i].picture));
    }
    batch.clear();
  };
  for (int64_t i = 0; i < n; ++i) {
    batch.push_back(scenes.make(seed, static_cast<uint64_t>(i), Split::kHeldOut));
    if (change) batch.back().picture = change(std::move(batch.back().picture));
    if (batch.size() == kMeasureBatch || i + 1 == n) flush();
  }
  ClassifierAccuracy accuracy;
  accuracy.scenes = n;
  accuracy.objects = share(tally.found, tally.objects);
  accuracy.single = share(tally.single, tally.singles);
  accuracy.both = share(tally.both, tally.pairs);
  accuracy.tints = share(tally.tints, tally.found);
  accuracy.named_tints = share(tally.named_right, tally.named);
  accuracy.backgrounds = share(tally.backgrounds, tally.scenes);
  accuracy.exact = share(tally.exact, tally.scenes);
  accuracy.box_iou = share(tally.iou, tally.found);
  return accuracy;
}

std::string summary_of(const ClassifierAccuracy& accuracy) {
  return fmt::format(
      "{} unseen scenes: objects {:.1f} %, single {:.1f} %, both of two {:.1f} %, tints {:.1f} % "
      "(named {:.1f} %), backgrounds {:.1f} %, exactly right {:.1f} %, mean box IoU {:.3f}",
      accuracy.scenes, 100 * accuracy.objects, 100 * accuracy.single, 100 * accuracy.both,
      100 * accuracy.tints, 100 * accuracy.named_tints, 100 * accuracy.backgrounds,
      100 * accuracy.exact, accuracy.box_iou);
}

}  // namespace sd::train
