#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sd::cli {

/// Attention maps of all tokens of a prompt: [tokens,height,width], rows top to bottom.
struct TokenMaps {
  int64_t tokens = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> values;

  std::span<const float> of(int64_t token) const {
    const auto size = static_cast<std::size_t>(height * width);
    return std::span(values).subspan(static_cast<std::size_t>(token) * size, size);
  }
};

/// The mean of some tokens' maps, [height*width]: the map of a word.
std::vector<float> mean_map(const TokenMaps& maps, std::span<const int64_t> positions);

/// A layer that was recorded.
struct RecordedLayer {
  std::string part;  // "down", "middle", "up"
  int64_t block = 0;
  int64_t resolution = 0;  // its grid's shorter side
};

/// What layers of one part and size paid: what the fork's visualize_comp draws.
struct PartHeat {
  std::string part;
  int64_t resolution = 0;
  TokenMaps maps;  // at the layers' own size
};

/// One stretch of the run.
struct TimelineHeat {
  std::vector<double> timesteps;  // recorded in it, in order
  TokenMaps maps;                 // summed over them
};

/// Everything gathered about one picture. Maps are sums over the recorded steps of means over heads
/// and layers: at a step a pixel pays 1 in all.
struct PictureMaps {
  TokenMaps whole;                // at the latents' size
  std::vector<double> timesteps;  // recorded, in order
  std::vector<RecordedLayer> layers;
  std::vector<PartHeat> parts;
  std::vector<TimelineHeat> timeline;
};

}  // namespace sd::cli
