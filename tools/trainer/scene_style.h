#pragma once

#include <optional>
#include <string>

#include "trainer/scene.h"

namespace sd::train {

/// How a scene is drawn anew, for what the demo model is to learn besides.
enum class SceneStyle {
  kPlain,
  kNeon,  // at night: the background dark, a bright line and a glow of its colour around an object
};

/// A colour of backgrounds and its name in captions, one that the demo model does not know.
struct NewBackground {
  std::string word;
  Rgb colour{};
};

/// Of "teal=20,150,140": word, red, green, blue in [0,255]. Throws UsageError.
NewBackground parse_background(const std::string& text);

struct SceneChange {
  SceneStyle style = SceneStyle::kPlain;
  std::optional<NewBackground> background;
};

/// The scene's picture in that style; caption and masks stay as they are.
void restyle(Scene& scene, SceneStyle style);

/// Gives the background that colour, shades and all, and calls it so in the caption. False where
/// the caption does not speak of the background; the scene stays as it is then.
bool repaint(Scene& scene, const NewBackground& background);

}  // namespace sd::train
