#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/options/attn_options.h"
#include "sd/image/image.h"

namespace sd::cli {

/// A map of a picture's pixels, [height*width]: the part of its attention that a pixel pays.
using HeatMap = std::vector<float>;

/// What is drawn dark and what bright.
struct HeatScale {
  float low = 0;
  float high = 1;
};

/// What is dark and what is bright for maps that are drawn alike.
HeatScale scale_of(std::span<const HeatMap> maps, AttnNorm norm);

/// Brings a map to 0..1.
HeatMap scaled(HeatMap map, HeatScale scale);

/// Whether all maps of a sheet are drawn on one scale.
bool shares_scale(AttnNorm norm);

/// What stands below a map: "max 43 %", or from where to where it goes if that decides its colours.
std::string numbers_of(const HeatMap& map, AttnNorm norm);

/// A sheet over its colour bar, which has numbers where all maps share `scale`, and over what they
/// mean. `own` is what has a scale of its own where none is shared: "tile", "row".
Image with_colour_bar(const Image& sheet, const AttnOptions& options, HeatScale scale,
                      const std::string& own);

}  // namespace sd::cli
