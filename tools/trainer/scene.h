#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sd/image/image.h"
#include "trainer/emoji_font.h"
#include "trainer/scene_caption.h"
#include "trainer/scene_random.h"
#include "trainer/scene_spec.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {

/// Width and height of every scene in pixels.
inline constexpr int kSceneSide = 128;

inline constexpr const char* kEmojiFont = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";

/// How often scenes hold what; probabilities in [0,1].
struct SceneOptions {
  std::filesystem::path font = kEmojiFont;
  double two_objects = 0.4;
  double empty_captions = 0.1;
};

/// An object as drawn. Its emoji touches two opposite edges of the box and is centred in it.
struct SceneObject {
  int kind = 0;        // index into object_kinds()
  int tint = kAbsent;  // index into tints(), kAbsent: the emoji's own colours
  double x = 0;        // centre of the box in pixels
  double y = 0;
  double size = 0;            // side of the box in pixels, a whole number
  std::vector<uint8_t> mask;  // [kSceneSide,kSceneSide]: visible alpha; objects never overlap
};

struct Scene {
  Image picture;  // RGB, [kSceneSide,kSceneSide]
  std::string caption;
  std::vector<CaptionWord> words;  // none if the caption is empty
  std::vector<SceneObject> objects;
  int background = 0;  // index into backgrounds()
  Gradient gradient = Gradient::kPlain;
  Place place = Place::kNone;
};

/// Makes the demo model's scenes: one or two emoji on a coloured background, a caption, and a mask
/// for each object. Immutable after construction (a quarter of a second), shared by threads.
class SceneGenerator {
 public:
  /// Throws IoError if the font is missing or lacks an emoji.
  explicit SceneGenerator(const SceneOptions& options = {});

  /// Scene `index` of `seed`; the same arguments give the same scene. kHeldOut gives only scenes
  /// that are held_out(), kTrain only those that are trainable(). None clashes().
  Scene make(uint64_t seed, uint64_t index, Split split) const;

  /// What make() with these arguments would compose.
  SceneSpec specify(uint64_t seed, uint64_t index, Split split) const;

  /// A picture of `spec`, sizes, positions and shades by `seed`. Throws UsageError if an index is
  /// out of range, objects are not one or two of different kinds, or the place does not fit them.
  Scene compose(const SceneSpec& spec, uint64_t seed) const;

  /// Whether an object of `spec` has its background's colour, as a whole or in most of its pixels.
  bool clashes(const SceneSpec& spec) const;

 private:
  struct Emoji {
    Sprite sprite;
    float luma = 0;                          // typical_luma: what takes a tint's colour
    std::vector<std::vector<bool>> clashes;  // [1 + tint][background], row 0: own colours
  };
  Sprite draw_object(const ObjectSpec& object, int side, SceneRandom& random) const;

  SceneOptions options_;
  std::vector<Emoji> emoji_;  // one for each kind
};

}  // namespace sd::train
