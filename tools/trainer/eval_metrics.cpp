#include "trainer/eval_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "sd/core/error.h"

namespace sd::train {
namespace {

double area(const PixelBox& box) {
  return std::max(0.0, box.right - box.left) * std::max(0.0, box.bottom - box.top);
}

bool inside(const PixelBox& box, double x, double y, double margin) {
  return x > box.left - margin && x < box.right + margin && y > box.top - margin &&
         y < box.bottom + margin;
}

/// Finds the object in the picture that stands for each object of the prompt; null if there is
/// none. For a prompt of one object it is the largest. For a prompt of two it is the object of the
/// same kind. If a kind is missing, one of the two largest objects that is not taken yet stands for
/// it; if both are missing, the place in the prompt says which of the two is which.
std::vector<const FoundObject*> objects_for(const SceneSpec& spec, const PictureReading& reading) {
  const auto& there = reading.objects;
  if (spec.objects.size() == 1) return {there.empty() ? nullptr : &there.front()};
  std::vector<const FoundObject*> found;
  for (const auto& object : spec.objects) found.push_back(find_object(reading, object.kind));
  std::vector<const FoundObject*> left;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, there.size()); ++i) {
    if (&there[i] != found[0] && &there[i] != found[1]) left.push_back(&there[i]);
  }
  if (found[0] == nullptr && found[1] == nullptr) {
    if (left.size() < 2) return found;
    if (!stands(left[0]->box, spec.place, left[1]->box)) std::swap(left[0], left[1]);
    return left;
  }
  for (auto& object : found) {
    if (object == nullptr && !left.empty()) object = left.front();
  }
  return found;
}

}  // namespace

double box_iou(const PixelBox& a, const PixelBox& b) {
  const PixelBox common{std::max(a.left, b.left), std::max(a.top, b.top),
                        std::min(a.right, b.right), std::min(a.bottom, b.bottom)};
  const double both = area(common), either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}

const FoundObject* find_object(const PictureReading& reading, int kind) {
  const auto found = std::find_if(reading.objects.begin(), reading.objects.end(),
                                  [&](const auto& object) { return object.kind == kind; });
  return found == reading.objects.end() ? nullptr : &*found;
}

bool stands(const PixelBox& a, Place place, const PixelBox& b) {
  const double right = (a.left + a.right - b.left - b.right) / 2;
  const double down = (a.top + a.bottom - b.top - b.bottom) / 2;
  switch (place) {
    case Place::kLeftOf:
      return -right > std::abs(down);
    case Place::kRightOf:
      return right > std::abs(down);
    case Place::kAbove:
      return -down > std::abs(right);
    case Place::kBelow:
      return down > std::abs(right);
    case Place::kNone:
      break;
  }
  return true;
}

Judgement judge(const SceneSpec& spec, const PictureReading& reading) {
  Judgement judgement;
  judgement.background = reading.background == spec.background;
  const auto found = objects_for(spec, reading);
  for (std::size_t i = 0; i < spec.objects.size(); ++i) {
    const auto& [kind, tint] = spec.objects[i];
    ++judgement.objects;
    judgement.tints += tint != kAbsent;
    if (found[i] == nullptr) continue;
    judgement.objects_right += found[i]->kind == kind;
    judgement.tints_right += tint != kAbsent && found[i]->tint == tint;
  }
  judgement.both = judgement.objects == 2 && judgement.objects_right == 2;
  judgement.place = judgement.both && stands(found[0]->box, spec.place, found[1]->box);
  return judgement;
}

double background_error(const Image& a, const Image& b, const std::vector<PixelBox>& boxes,
                        double margin) {
  if (a.width != b.width || a.height != b.height || a.pixels.size() != b.pixels.size()) {
    throw UsageError("pictures of different sizes cannot be compared");
  }
  double sum = 0, count = 0;
  std::size_t i = 0;
  for (int64_t y = 0; y < a.height; ++y) {
    for (int64_t x = 0; x < a.width; ++x) {
      const bool covered = std::any_of(boxes.begin(), boxes.end(), [&](const PixelBox& box) {
        return inside(box, static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5, margin);
      });
      for (int64_t c = 0; c < a.channels; ++c, ++i) {
        if (covered) continue;
        sum += std::abs(a.pixels[i] - b.pixels[i]);
        count += 1;
      }
    }
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace sd::train
