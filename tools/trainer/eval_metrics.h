#pragma once

#include <vector>

#include "sd/image/image.h"
#include "trainer/picture_reading.h"
#include "trainer/scene_spec.h"

namespace sd::train {

/// Intersection over union of two boxes; 0 if both are empty.
double box_iou(const PixelBox& a, const PixelBox& b);

/// The object of that kind, or null.
const FoundObject* find_object(const PictureReading& reading, int kind);

/// Whether box a stands to box b as `place` says: its centre lies on that side, and farther along
/// the place's axis than across it. True for kNone.
bool stands(const PixelBox& a, Place place, const PixelBox& b);

/// How a drawn picture answers its prompt. Kinds, tints and background are judged apart: a cat that
/// is taken for a dog may still be red as asked.
struct Judgement {
  int objects = 0;          // in the prompt
  int objects_right = 0;    // of a kind that was found (one object: as the largest one)
  int tints = 0;            // in the prompt
  int tints_right = 0;      // of the objects found, or of those that stand for them
  bool background = false;  // right
  bool both = false;        // two objects: both found
  bool place = false;       // two objects: both found, and they stand as the prompt says
  bool all_right() const {
    return objects_right == objects && tints_right == tints && background && (objects < 2 || place);
  }
};

Judgement judge(const SceneSpec& spec, const PictureReading& reading);

/// Mean absolute difference, in [0,255], of two RGB pictures of one size outside all boxes, which
/// are widened by `margin` pixels. 0 if nothing is left.
double background_error(const Image& a, const Image& b, const std::vector<PixelBox>& boxes,
                        double margin);

}  // namespace sd::train
