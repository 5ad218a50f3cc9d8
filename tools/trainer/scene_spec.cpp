#include "trainer/scene_spec.h"

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "trainer/scene_random.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {
namespace {

constexpr uint64_t kHeldOutPerMille = 60;

/// FNV-1a over the names, each closed by a byte that no name has.
bool hash_is_held_out(std::initializer_list<std::string_view> names) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const auto name : names) {
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    hash = (hash ^ 0xffu) * 0x100000001b3u;
  }
  return mix_bits(hash) % 1000 < kHeldOutPerMille;
}

std::string_view kind_name(const ObjectSpec& object) {
  return object_kinds()[static_cast<std::size_t>(object.kind)].name;
}

bool alone_is_held_out(const ObjectSpec& object, int background) {
  const auto tint =
      object.tint == kAbsent ? "own" : tints()[static_cast<std::size_t>(object.tint)].name;
  return hash_is_held_out(
      {kind_name(object), tint, backgrounds()[static_cast<std::size_t>(background)].name});
}

bool pair_is_held_out(const SceneSpec& spec) {
  const bool turned = spec.place == Place::kRightOf || spec.place == Place::kBelow;
  const bool beside = spec.place == Place::kLeftOf || spec.place == Place::kRightOf;
  return hash_is_held_out({kind_name(spec.objects[turned ? 1 : 0]), beside ? "left of" : "above",
                           kind_name(spec.objects[turned ? 0 : 1])});
}

}  // namespace

bool held_out(const SceneSpec& spec) {
  return spec.objects.size() == 1 ? alone_is_held_out(spec.objects[0], spec.background)
                                  : pair_is_held_out(spec);
}

bool trainable(const SceneSpec& spec) {
  for (const auto& object : spec.objects) {
    if (alone_is_held_out(object, spec.background)) return false;
  }
  return !held_out(spec);
}

}  // namespace sd::train
