#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <filesystem>
#include <vector>

#include "sd/image/image.h"
#include "sd/nn/layers.h"
#include "trainer/picture_reading.h"

namespace sd::train {

/// What a picture's cells show, as logits [N,C,kCells,kCells] float32. The last of `kind` is
/// "nothing", the last of `tint` "the emoji's own colours".
struct CellLogits {
  torch::Tensor kind, tint, background;
};

/// Names what scenes show, cell by cell: a convolutional network down to 8x8, which sees whole
/// objects, joined with the 16x16 stage before it and the picture's mean colours.
class ClassifierImpl : public torch::nn::Module {
 public:
  ClassifierImpl();

  /// pictures [N,3,kSceneSide,kSceneSide] in [-1,1], float32 or bfloat16.
  CellLogits forward(const torch::Tensor& pictures);

 private:
  struct Block {
    Conv2d conv{nullptr};
    GroupNorm norm{nullptr};
    torch::Tensor forward(const torch::Tensor& x) { return norm->forward_silu(conv->forward(x)); }
  };
  Block make_block(const std::string& name, int64_t in, int64_t out, int64_t stride);

  std::vector<Block> down_, deep_;
  Block join_;
  Conv2d lateral_{nullptr}, head_{nullptr};
};
TORCH_MODULE(Classifier);

/// A trained classifier. Throws IoError or CheckpointError, naming the command that makes one if
/// the file is of other scenes than this program's.
Classifier load_classifier(const std::filesystem::path& file);

/// Writes it in float16, with the words that it tells apart. Throws IoError.
void save_classifier(Classifier& classifier, const std::filesystem::path& file);

/// The cells of pictures [kSceneSide,kSceneSide], RGB, a grid a picture.
std::vector<CellGrid> classify(Classifier& classifier, const std::vector<const Image*>& pictures);

/// What a picture shows, given its cells: objects by the cells, edges of their boxes by the pixels.
PictureReading read(const CellGrid& cells, const Image& picture);

/// The same of a picture that was not classified yet.
PictureReading read(Classifier& classifier, const Image& picture);

}  // namespace sd::train
