#include "sd/pipeline/word_maps.h"

#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "sd/core/error.h"
#include "sd/text/control_words.h"

namespace sd {

torch::Tensor token_maps(const MapRecorder& recorder, int64_t row, int64_t height, int64_t width) {
  if (recorder.layers().empty()) throw UsageError("no attention was recorded");
  const auto rows = recorder.layers().front().maps.sum.size(0);
  if (row < 0 || row >= rows) {
    throw UsageError(fmt::format("there is no row {}; maps of {} rows were recorded", row, rows));
  }
  const c10::InferenceMode inference;
  std::vector<LayerMaps> layers;
  for (const auto& layer : recorder.layers()) {
    layers.push_back({layer.site, {layer.maps.layers, layer.maps.sum.narrow(0, row, 1)}});
  }
  const auto steps = static_cast<double>(recorder.timesteps().size());
  return (heat_maps(layers, height, width)[0] / steps).to(at::kCPU, at::kFloat).contiguous();
}

WordMap word_map(const torch::Tensor& maps, const std::string& prompt, const std::string& word,
                 const Tokenizer& tokenizer) {
  const c10::InferenceMode inference;
  const auto positions = word_positions("word", prompt, word, tokenizer);
  const auto mean = maps.index_select(0, at::tensor(positions, at::kLong)).mean(0).contiguous();
  const float* first = mean.const_data_ptr<float>();
  return {mean.size(0), mean.size(1), {first, first + mean.numel()}};
}

}  // namespace sd
