#pragma once

#include <string>
#include <vector>

#include "cli/maps/attn_maps.h"
#include "cli/options/attn_options.h"
#include "cli/options/attn_words.h"
#include "sd/image/image.h"

namespace sd::cli {

/// A mask holds what lies above this share of the way from a map's minimum to its maximum.
inline constexpr double kMaskThreshold = 0.5;

/// What maps are drawn over and how.
struct AttnCanvas {
  const Image& picture;
  const std::vector<AttnWord>& words;
  const AttnOptions& options;
  int64_t first_token = 1;  // the prompt's own tokens stand at [first_token, end_token)
  int64_t end_token = 1;
  std::size_t steps = 1;  // recorded: maps of the whole run are sums over them
};

/// One word's pictures, all of the picture's size.
struct WordPictures {
  Image overlay;
  Image grey;
  Image mask;
};

/// One for each word. Coloured maps are laid over the picture in grey, so that a colour means one
/// thing; grey maps over the picture itself.
std::vector<WordPictures> draw_words(const AttnCanvas& canvas, const TokenMaps& maps);

// Sheets have a colour bar and say below each map how much attention it holds. By default all maps
// of a sheet share one scale, so that a word to which little is paid looks like it (AttnNorm).

/// The picture and every word's overlay, labelled, over `title`. Small pictures are scaled up so
/// that labels fit, large ones down.
Image draw_contact(const AttnCanvas& canvas, const TokenMaps& maps, const std::string& title);

/// Words (rows) by stretches of the run (columns), each divided by its number of steps. Where not
/// all maps share a scale, a word's stretches do.
Image draw_timeline(const AttnCanvas& canvas, const std::vector<TimelineHeat>& timeline);

/// Parts of the UNet and their resolutions (rows) by words (columns).
Image draw_layers(const AttnCanvas& canvas, const std::vector<PartHeat>& parts);

}  // namespace sd::cli
