#include "sd/nn/image_attention.h"

#include <utility>

namespace sd {

ImageAttention::Place ImageAttention::place_of(const AttentionSite& site) {
  return {static_cast<int64_t>(site.part), site.block, site.depth};
}

void ImageAttention::add(const AttentionSite& site, ImageKeys keys) {
  layers_[place_of(site)].push_back(std::move(keys));
}

const std::vector<ImageKeys>* ImageAttention::of(const AttentionSite& site) const {
  const auto found = layers_.find(place_of(site));
  return found == layers_.end() ? nullptr : &found->second;
}

}  // namespace sd
