#pragma once

#include "trainer/emoji_font.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {

/// Alpha-weighted mean colour.
Rgb mean_colour(const Sprite& sprite);

/// How light a colour looks, in [0,255] (Rec. 709 weights on the coded values).
float luma(const Rgb& colour);

/// How light the parts are that give the emoji its colour: the 60th percentile of luma, each pixel
/// counting as much as its alpha. The median would take a panda's or a dog's dark patches for it.
float typical_luma(const Sprite& sprite);

/// The sprite centred in a square of `side` pixels, its longer edge as long as the square's.
/// Triangle filter, as wide as one source or target pixel, whichever is larger.
Sprite fit_into_square(const Sprite& sprite, int side);

/// Recolours in place: a pixel as light as `typical` takes `colour`, darker ones go towards black,
/// lighter ones towards white, so that what was drawn stays readable.
void apply_tint(Sprite& sprite, const Rgb& colour, float typical);

/// The distance of two colours as seen: CIE 1976 Delta E*ab of sRGB values (2 is just noticed).
double colour_distance(const Rgb& a, const Rgb& b);

}  // namespace sd::train
