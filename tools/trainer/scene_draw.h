#pragma once

#include <vector>

#include "sd/image/image.h"
#include "trainer/emoji_font.h"
#include "trainer/scene_random.h"
#include "trainer/scene_spec.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {

/// The square that an object is drawn into, in pixels.
struct Box {
  int left = 0;
  int top = 0;
  int side = 0;
};

/// A scene's contents and wording, `objects` (1 or 2) of them, with no regard to splits or clashes.
SceneSpec draw_spec(SceneRandom& random, std::size_t objects, double empty_captions);

/// Boxes inside the picture: one large one near the middle, or two that stand as `place` says with
/// at least two pixels between them.
std::vector<Box> draw_boxes(SceneRandom& random, Place place);

/// A picture of the background alone, with a slightly different colour each time.
Image draw_background(SceneRandom& random, int background, Gradient gradient);

/// Lays a sprite of box.side over the picture. Returns its alpha over the whole picture.
std::vector<uint8_t> lay_over(Image& picture, const Sprite& sprite, const Box& box);

/// `colour` with each channel changed by at most `amount`, inside [0,255].
Rgb jitter(SceneRandom& random, const Rgb& colour, double amount);

}  // namespace sd::train
