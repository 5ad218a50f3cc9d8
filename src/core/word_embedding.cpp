#include "sd/core/word_embedding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr int64_t kFirstFamily = 768, kSecondFamily = 1024;
constexpr int64_t kMostWidth = 65536;

}  // namespace

void check_embedding_shape(const std::vector<int64_t>& shape, const std::string& label) {
  const int64_t vectors = shape.size() == 2 ? shape[0] : 1;
  const int64_t width = shape.empty() ? 0 : shape.back();
  const bool fits =
      (shape.size() == 1 || shape.size() == 2) && vectors > 0 && width > 0 && width <= kMostWidth;
  if (!fits) {
    throw CheckpointError(fmt::format("{}: an embedding is [width] or [vectors, width], found [{}]",
                                      label, fmt::join(shape, ", ")));
  }
  if (vectors <= kMostEmbeddingVectors) return;
  throw CheckpointError(
      fmt::format("{}: an embedding of {} vectors, and a chunk of a prompt has room for {}", label,
                  vectors, kMostEmbeddingVectors));
}

void check_embedding_values(const WordEmbedding& embedding, const std::string& label) {
  const auto bad = std::find_if(embedding.values.begin(), embedding.values.end(),
                                [](float value) { return !std::isfinite(value); });
  if (bad == embedding.values.end()) return;
  throw CheckpointError(
      fmt::format("{}: a value of the embedding is {} (vector {} of {}), expected finite numbers\n"
                  "    Its training went wrong, or the file is damaged. Take another one.",
                  label, std::isnan(*bad) ? "NaN" : "infinite",
                  (bad - embedding.values.begin()) / embedding.width + 1, embedding.vectors));
}

std::string family_of_width(int64_t width) {
  if (width == kFirstFamily) return "Stable Diffusion v1";
  return width == kSecondFamily ? "Stable Diffusion v2" : "";
}

}  // namespace sd
