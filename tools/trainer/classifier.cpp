#include "trainer/classifier.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "sd/core/error.h"
#include "trainer/box_refinement.h"
#include "trainer/picture_batches.h"
#include "trainer/scene.h"
#include "trainer/tensor_file.h"

namespace sd::train {
namespace {

constexpr int64_t kGroupSize = 8;  // channels a norm group
constexpr int64_t kWidths[] = {16, 40, 80, 104};
constexpr int64_t kLateral = 64, kJoined = 96;
constexpr int64_t kBatch = 16;
constexpr const char* kWords = "words";

int64_t outputs_of(std::size_t named) { return static_cast<int64_t>(named) + 1; }

/// The tables that the outputs stand for: a classifier of other ones must not be used.
std::string words_of_scenes() {
  std::string words;
  for (const auto& kind : object_kinds()) words += std::string(kind.name) + ",";
  for (const auto& tint : tints()) words += std::string(tint.name) + ",";
  for (const auto& background : backgrounds()) words += std::string(background.name) + ",";
  return words;
}

std::vector<float> values_of(const torch::Tensor& log_probabilities) {
  const auto row = log_probabilities.permute({1, 2, 0}).contiguous();  // [cells,cells,C]
  const auto* first = row.const_data_ptr<float>();
  return {first, first + row.numel()};
}

}  // namespace

ClassifierImpl::Block ClassifierImpl::make_block(const std::string& name, int64_t in, int64_t out,
                                                 int64_t stride) {
  return {register_module(name + "_conv", Conv2d(in, out, 3, stride, 1)),
          register_module(name + "_norm", GroupNorm(out / kGroupSize, out, 1e-5))};
}

ClassifierImpl::ClassifierImpl() {
  int64_t channels = 3;
  for (const int64_t width : kWidths) {
    down_.push_back(make_block(fmt::format("down{}", down_.size()), channels, width, 2));
    channels = width;
  }
  for (int i = 0; i < 2; ++i) {
    deep_.push_back(make_block(fmt::format("deep{}", i), channels, channels, 1));
  }
  lateral_ = register_module("lateral", Conv2d(channels, kLateral, 1));
  join_ = make_block("join", kWidths[2] + kLateral + 3, kJoined, 1);
  const auto outputs = outputs_of(object_kinds().size()) + outputs_of(tints().size()) +
                       static_cast<int64_t>(backgrounds().size());
  head_ = register_module("head", Conv2d(kJoined, outputs, 1));
}

CellLogits ClassifierImpl::forward(const torch::Tensor& pictures) {
  auto x = pictures;
  torch::Tensor skip;
  for (std::size_t i = 0; i < down_.size(); ++i) {
    x = down_[i].forward(x);  // 64², 32², 16², 8²
    if (i + 2 == down_.size()) skip = x;
  }
  for (auto& block : deep_) x = x + block.forward(x);
  x = at::upsample_nearest2d(lateral_->forward(x), {kCells, kCells});
  // Norms forget how light a picture is as a whole; its colours go past them.
  const auto colours = at::avg_pool2d(pictures, {kCellPixels, kCellPixels});
  const auto y = head_->forward(join_.forward(at::cat({skip, x, colours}, 1))).to(at::kFloat);
  const auto kinds = outputs_of(object_kinds().size()), tinted = outputs_of(tints().size());
  return {y.narrow(1, 0, kinds), y.narrow(1, kinds, tinted),
          y.narrow(1, kinds + tinted, static_cast<int64_t>(backgrounds().size()))};
}

Classifier load_classifier(const std::filesystem::path& path) {
  const auto file = read_tensor_file(path);
  Classifier classifier;
  if (file.text(kWords) != words_of_scenes()) {
    throw CheckpointError(fmt::format(
        "{}: this classifier knows other objects or colours than the scenes have\nMake one with "
        "`sd-train classifier --out {}`.",
        path.string(), path.string()));
  }
  for (const auto& slot : parameter_slots(*classifier)) {
    slot.bind(file.at(slot.name).to(at::kFloat));
  }
  return classifier;
}

void save_classifier(Classifier& classifier, const std::filesystem::path& path) {
  TensorMap weights;
  for (const auto& item : classifier->named_parameters()) {
    weights[item.key()] = item.value().detach().to(at::kHalf);
  }
  write_tensor_file(path, weights, {{"made_by", "sd-train"}, {kWords, words_of_scenes()}});
}

std::vector<CellGrid> classify(Classifier& classifier, const std::vector<const Image*>& pictures) {
  const c10::InferenceMode inference;
  std::vector<CellGrid> grids;
  for (std::size_t begin = 0; begin < pictures.size(); begin += kBatch) {
    const auto end = std::min(pictures.size(), begin + kBatch);
    const std::vector<const Image*> batch(pictures.begin() + static_cast<std::ptrdiff_t>(begin),
                                          pictures.begin() + static_cast<std::ptrdiff_t>(end));
    const auto logits = classifier->forward(to_tensor(batch));
    const auto kind = at::log_softmax(logits.kind, 1), tint = at::log_softmax(logits.tint, 1),
               background = at::log_softmax(logits.background, 1);
    for (int64_t i = 0; i < kind.size(0); ++i) {
      grids.push_back({values_of(kind[i]), values_of(tint[i]), values_of(background[i])});
    }
  }
  return grids;
}

PictureReading read(const CellGrid& cells, const Image& picture) {
  auto reading = read_cells(cells);
  refine_boxes(reading, picture);
  return reading;
}

PictureReading read(Classifier& classifier, const Image& picture) {
  return read(classify(classifier, {&picture}).front(), picture);
}

}  // namespace sd::train
