#include "pipeline/named_layers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sd/core/error.h"
#include "sd/core/layer_names.h"

namespace sd {
namespace {

/// A spatial transformer.
struct Place {
  LayerName::Part part;
  int64_t block;         // diffusers' number
  int64_t layer;         // CompVis'
  int64_t downsampling;  // of the level

  bool is(const LayerName& name) const {
    return name.part == part && (!name.block || *name.block == block) &&
           (!name.layer || *name.layer == layer);
  }
  std::string text() const {
    switch (part) {
      case LayerName::Part::kMiddle:
        return "mid";
      case LayerName::Part::kDown:
        return fmt::format("down.{} (input_blocks.{})", block, layer);
      case LayerName::Part::kUp:
        break;
    }
    return fmt::format("up.{} (output_blocks.{})", block, layer);
  }
};

std::vector<Place> places_of(const UNetConfig& unet) {
  const auto levels = static_cast<int64_t>(unet.channel_mult.size());
  const auto attends = [&](int64_t level) {
    return std::ranges::count(unet.attention_resolutions, int64_t{1} << level) > 0;
  };
  std::vector<Place> places;
  for (int64_t level = 0; level < levels; ++level) {
    for (int64_t i = 0; attends(level) && i < unet.num_res_blocks; ++i) {
      places.push_back({LayerName::Part::kDown, level, level * (unet.num_res_blocks + 1) + 1 + i,
                        int64_t{1} << level});
    }
  }
  if (unet.middle == UNetMiddle::kFull) places.push_back({LayerName::Part::kMiddle, 0, 1, 0});
  for (int64_t up = 0; up < levels; ++up) {
    const int64_t level = levels - 1 - up;
    for (int64_t i = 0; attends(level) && i <= unet.num_res_blocks; ++i) {
      places.push_back(
          {LayerName::Part::kUp, up, up * (unet.num_res_blocks + 1) + i, int64_t{1} << level});
    }
  }
  return places;
}

SiteChoice choice_of(const LayerName& name, const Place& place) {
  if (name.part == LayerName::Part::kMiddle) return {UNetPart::kMiddle, {}, {}};
  SiteChoice choice{name.part == LayerName::Part::kDown ? UNetPart::kDown : UNetPart::kUp, {}, {}};
  if (name.layer) choice.block = place.layer;
  if (name.block) choice.downsampling = place.downsampling;
  return choice;
}

}  // namespace

std::vector<SiteChoice> named_sites(const std::string& option, const std::string& text,
                                    const UNetConfig& unet) {
  const auto places = places_of(unet);
  std::vector<SiteChoice> sites;
  std::vector<std::string> known;
  for (const auto& place : places) known.push_back(place.text());
  for (const auto& name : parse_layer_names(option, text)) {
    const auto found =
        std::ranges::find_if(places, [&](const Place& place) { return place.is(name); });
    if (found == places.end()) {
      throw UsageError(fmt::format("{} '{}': this model's UNet has no attention there; it has {}",
                                   option, text, fmt::join(known, ", ")));
    }
    sites.push_back(choice_of(name, *found));
  }
  return sites;
}

}  // namespace sd
