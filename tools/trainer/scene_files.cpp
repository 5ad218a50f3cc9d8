#include "trainer/scene_files.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "sd/core/atomic_file.h"
#include "sd/image/png.h"

namespace sd::train {
namespace {

using nlohmann::ordered_json;

std::string_view name_of(WordRole role) {
  switch (role) {
    case WordRole::kObject:
      return "object";
    case WordRole::kTint:
      return "tint";
    case WordRole::kBackground:
      return "background";
    case WordRole::kPlace:
      return "place";
  }
  return "";
}

/// Null where there is none.
ordered_json name_of(Place place) {
  switch (place) {
    case Place::kLeftOf:
      return "left of";
    case Place::kRightOf:
      return "right of";
    case Place::kAbove:
      return "above";
    case Place::kBelow:
      return "below";
    case Place::kNone:
      break;
  }
  return nullptr;
}

std::string_view name_of(Gradient gradient) {
  switch (gradient) {
    case Gradient::kVertical:
      return "vertical";
    case Gradient::kHorizontal:
      return "horizontal";
    case Gradient::kDiagonal:
      return "diagonal";
    case Gradient::kPlain:
      break;
  }
  return "plain";
}

std::string mask_name(int64_t index, std::size_t object) {
  return fmt::format("{:05}.mask{}.png", index, object);
}

ordered_json describe(const SceneObject& object, const std::string& mask) {
  const auto side = std::lround(object.size);
  const auto kind = object_kinds()[static_cast<std::size_t>(object.kind)].name;
  ordered_json described{{"kind", kind}, {"tint", nullptr}};
  if (object.tint != kAbsent)
    described["tint"] = tints()[static_cast<std::size_t>(object.tint)].name;
  described["box"] = {std::lround(object.x - object.size / 2),
                      std::lround(object.y - object.size / 2), side};
  described["mask"] = mask;
  return described;
}

ordered_json describe(const CaptionWord& word, const std::string& caption) {
  ordered_json described{{"role", name_of(word.role)}, {"object", nullptr}};
  if (word.object != kAbsent) described["object"] = word.object;
  described["begin"] = word.begin;
  described["end"] = word.end;
  described["text"] = caption.substr(word.begin, word.end - word.begin);
  return described;
}

ordered_json describe(const Scene& scene, int64_t index) {
  ordered_json described{{"picture", fmt::format("{:05}.png", index)}, {"caption", scene.caption}};
  described["words"] = ordered_json::array();
  for (const auto& word : scene.words) described["words"].push_back(describe(word, scene.caption));
  described["objects"] = ordered_json::array();
  for (std::size_t i = 0; i < scene.objects.size(); ++i) {
    described["objects"].push_back(describe(scene.objects[i], mask_name(index, i)));
  }
  described["background"] = backgrounds()[static_cast<std::size_t>(scene.background)].name;
  described["gradient"] = name_of(scene.gradient);
  described["place"] = name_of(scene.place);
  return described;
}

void write_png(const std::filesystem::path& path, const Image& picture) {
  write_file(path, encode_png(picture), true);
}

}  // namespace

void write_scenes(const SceneGenerator& generator, const std::filesystem::path& folder, int64_t n,
                  uint64_t seed, Split split, const SceneChange& change) {
  make_writable_folder(folder);
  std::string lines, captions;
  uint64_t next = 0;
  for (int64_t index = 0; index < n; ++index) {
    auto scene = generator.make(seed, next++, split);
    while (change.background && !repaint(scene, *change.background))
      scene = generator.make(seed, next++, split);
    restyle(scene, change.style);
    const auto name = fmt::format("{:05}.png", index);
    write_png(folder / name, scene.picture);
    for (std::size_t i = 0; i < scene.objects.size(); ++i) {
      write_png(folder / mask_name(index, i), {kSceneSide, kSceneSide, 1, scene.objects[i].mask});
    }
    lines += describe(scene, index).dump() + '\n';
    captions += ordered_json{{"file_name", name}, {"text", scene.caption}}.dump() + '\n';
  }
  write_file(folder / "scenes.jsonl", std::as_bytes(std::span(lines)), true);
  write_file(folder / "metadata.jsonl", std::as_bytes(std::span(captions)), true);
}

}  // namespace sd::train
