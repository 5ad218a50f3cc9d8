#pragma once

#include <vector>

namespace sd::train {

inline constexpr int kAbsent = -1;

/// What training sees, and what it never sees as a whole.
enum class Split { kTrain, kHeldOut };

/// Where objects[0] stands relative to objects[1]; kNone for one object.
enum class Place { kNone, kLeftOf, kRightOf, kAbove, kBelow };

/// How a background goes from its named colour to a shade of it.
enum class Gradient { kPlain, kVertical, kHorizontal, kDiagonal };

struct ObjectSpec {
  int kind = 0;        // index into object_kinds()
  int tint = kAbsent;  // index into tints(), kAbsent: the emoji's own colours
  bool operator==(const ObjectSpec&) const = default;
};

/// How a scene is put into words. What is not said is still in the picture.
struct Phrasing {
  int phrase = 0;  // in [0, phrase_count()): 0 is "a blue cat on a yellow background"
  bool says_tints = true;
  bool says_background = true;
  bool says_place = true;
  bool empty = false;  // no caption at all
  bool operator==(const Phrasing&) const = default;
};

/// What a scene shows and says, without sizes, positions and shades.
struct SceneSpec {
  std::vector<ObjectSpec> objects;  // one or two, of different kinds
  int background = 0;               // index into backgrounds()
  Gradient gradient = Gradient::kPlain;
  Place place = Place::kNone;
  Phrasing phrasing;
  bool operator==(const SceneSpec&) const = default;
};

/// Whether the scene as a whole is kept from training: by (kind, tint, background) for one object,
/// by (kind, place, kind) for two, where "a left of b" and "b right of a" are the same. About 6 %
/// of the combinations, chosen by a hash of their names.
bool held_out(const SceneSpec& spec);

/// Whether training may see the scene: it is not held out, and none of its objects stands on its
/// background in a held-out (kind, tint, background) either.
bool trainable(const SceneSpec& spec);

}  // namespace sd::train
