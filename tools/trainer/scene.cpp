#include "trainer/scene.h"

#include <fmt/format.h>

#include <utility>

#include "sd/core/error.h"
#include "trainer/emoji_sprite.h"
#include "trainer/scene_draw.h"

namespace sd::train {
namespace {

// An object whose mean colour is nearer to its background than this does not stand out: red on
// pink is 50, pink on purple 47, gray on white 45.
constexpr double kClearDistance = 32;
// A pixel nearer than this is lost in the background; an object may not lose half of itself.
constexpr double kLostDistance = 22;
constexpr double kLostShare = 0.45;
constexpr float kVisible = 128;    // alpha, of 255
constexpr int kMeasureSide = 24;   // colours are measured on sprites of this size
constexpr double kTintJitter = 6;  // of 255, in each channel

/// Whether a sprite is lost on a background.
bool is_lost(const Sprite& sprite, const Rgb& background) {
  if (colour_distance(mean_colour(sprite), background) < kClearDistance) return true;
  int visible = 0, lost = 0;
  for (std::size_t i = 0; i < sprite.rgba.size(); i += 4) {
    const float* pixel = sprite.rgba.data() + i;
    if (pixel[3] < kVisible) continue;
    const float scale = 255 / pixel[3];
    const Rgb colour{pixel[0] * scale, pixel[1] * scale, pixel[2] * scale};
    ++visible;
    if (colour_distance(colour, background) < kLostDistance) ++lost;
  }
  return lost > kLostShare * visible;
}

void check_index(int index, std::size_t size, const char* what) {
  if (index < 0 || static_cast<std::size_t>(index) >= size) {
    throw UsageError(fmt::format("{} {} does not exist: 0 to {} do", what, index, size - 1));
  }
}

void check(const SceneSpec& spec) {
  const auto& objects = spec.objects;
  if (objects.empty() || objects.size() > 2) {
    throw UsageError(fmt::format("a scene has one or two objects, not {}", objects.size()));
  }
  for (const auto& object : objects) {
    check_index(object.kind, object_kinds().size(), "kind of object");
    if (object.tint != kAbsent) check_index(object.tint, tints().size(), "tint");
  }
  check_index(spec.background, backgrounds().size(), "background");
  if (objects.size() == 2 && objects[0].kind == objects[1].kind) {
    throw UsageError("the objects of a scene must be of different kinds");
  }
  if ((objects.size() == 2) != (spec.place != Place::kNone)) {
    throw UsageError("two objects need a place, and one object has none");
  }
}

const Rgb& tint_colour(int tint) { return tints()[static_cast<std::size_t>(tint)].colour; }

}  // namespace

SceneGenerator::SceneGenerator(const SceneOptions& options) : options_(options) {
  std::vector<char32_t> code_points;
  for (const auto& kind : object_kinds()) code_points.push_back(kind.code_point);
  for (auto& sprite : load_emoji(options_.font, code_points)) {
    const auto small = fit_into_square(sprite, kMeasureSide);
    Emoji emoji{std::move(sprite), typical_luma(small), {}};
    for (int tint = kAbsent; tint < static_cast<int>(tints().size()); ++tint) {
      auto tinted = small;
      if (tint != kAbsent) apply_tint(tinted, tint_colour(tint), emoji.luma);
      auto& row = emoji.clashes.emplace_back();
      for (const auto& [name, colour] : backgrounds()) {
        const bool same =
            tint != kAbsent && colour_distance(tint_colour(tint), colour) < kClearDistance;
        row.push_back(same || is_lost(tinted, colour));
      }
    }
    emoji_.push_back(std::move(emoji));
  }
}

Scene SceneGenerator::make(uint64_t seed, uint64_t index, Split split) const {
  const auto spec = specify(seed, index, split);
  return compose(spec, SceneRandom(~seed, index).next());
}

SceneSpec SceneGenerator::specify(uint64_t seed, uint64_t index, Split split) const {
  SceneRandom random(seed, index);
  // The number is kept while the rest is drawn anew, so that neither split changes its share.
  const std::size_t objects = random.chance(options_.two_objects) ? 2 : 1;
  for (;;) {
    auto spec = draw_spec(random, objects, options_.empty_captions);
    const bool wanted = split == Split::kTrain ? trainable(spec) : held_out(spec);
    if (wanted && !clashes(spec)) return spec;
  }
}

Scene SceneGenerator::compose(const SceneSpec& spec, uint64_t seed) const {
  check(spec);
  SceneRandom random(seed, 0);
  Scene scene;
  auto [text, words] = caption_of(spec);
  scene.caption = std::move(text);
  scene.words = std::move(words);
  scene.background = spec.background;
  scene.gradient = spec.gradient;
  scene.place = spec.place;
  scene.picture = draw_background(random, spec.background, spec.gradient);
  const auto boxes = draw_boxes(random, spec.place);
  for (std::size_t i = 0; i < spec.objects.size(); ++i) {
    const auto& [kind, tint] = spec.objects[i];
    const auto& box = boxes[i];
    const auto sprite = draw_object(spec.objects[i], box.side, random);
    scene.objects.push_back({kind, tint, box.left + box.side / 2.0, box.top + box.side / 2.0,
                             static_cast<double>(box.side), lay_over(scene.picture, sprite, box)});
  }
  return scene;
}

Sprite SceneGenerator::draw_object(const ObjectSpec& object, int side, SceneRandom& random) const {
  const auto& emoji = emoji_[static_cast<std::size_t>(object.kind)];
  auto sprite = fit_into_square(emoji.sprite, side);
  if (object.tint != kAbsent) {
    apply_tint(sprite, jitter(random, tint_colour(object.tint), kTintJitter), emoji.luma);
  }
  return sprite;
}

bool SceneGenerator::clashes(const SceneSpec& spec) const {
  for (const auto& object : spec.objects) {
    const auto& emoji = emoji_[static_cast<std::size_t>(object.kind)];
    const auto& row = emoji.clashes[static_cast<std::size_t>(object.tint + 1)];
    if (row[static_cast<std::size_t>(spec.background)]) return true;
  }
  return false;
}

}  // namespace sd::train
