#include "trainer/scene_caption.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>

#include "sd/core/error.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {
namespace {

/// One way to say a scene. {0} and {1} are the objects with tint, {b} the background's colour, {p}
/// the place; "a " before any of them becomes "an " where needed. `ground` is added where the
/// background is said.
struct Phrase {
  std::string_view scene;
  std::string_view ground;
};

constexpr std::array kOne = {
    Phrase{"a {0}", " on a {b} background"},
    Phrase{"{0}", ", {b} background"},
    Phrase{"an emoji of a {0}", " on a {b} background"},
    Phrase{"a picture of a {0}", " on a {b} background"},
    Phrase{"a {0}", ", {b} background"},
    Phrase{"{0}", " on {b}"},
    Phrase{"a {0}", " in front of a {b} background"},
};

constexpr std::array kTwo = {
    Phrase{"a {0} {p} a {1}", " on a {b} background"},
    Phrase{"{0} {p} {1}", ", {b} background"},
    Phrase{"an emoji of a {0} {p} a {1}", " on a {b} background"},
    Phrase{"a picture of a {0} {p} a {1}", " on a {b} background"},
    Phrase{"a {0} {p} a {1}", ", {b} background"},
    Phrase{"{0} {p} {1}", " on {b}"},
    Phrase{"a {0} {p} a {1}", " in front of a {b} background"},
};

std::span<const Phrase> phrases(std::size_t objects) {
  return objects == 1 ? std::span<const Phrase>(kOne) : std::span<const Phrase>(kTwo);
}

/// Even phrases say "to the left of", odd ones "left of"; up and down have one wording each.
std::string_view place_words(Place place, int phrase) {
  const bool brief = phrase % 2 == 1;
  switch (place) {
    case Place::kLeftOf:
      return brief ? "left of" : "to the left of";
    case Place::kRightOf:
      return brief ? "right of" : "to the right of";
    case Place::kAbove:
      return "above";
    case Place::kBelow:
      return "below";
    case Place::kNone:
      break;
  }
  return "";
}

/// Builds a caption and remembers where its words stand.
class CaptionWriter {
 public:
  explicit CaptionWriter(const SceneSpec& spec) : spec_(spec) {}

  void write(std::string_view pattern) {
    while (!pattern.empty()) {
      const auto brace = pattern.find('{');
      caption_.text += pattern.substr(0, brace);
      if (brace == std::string_view::npos) return;
      write_part(pattern[brace + 1]);
      pattern.remove_prefix(brace + 3);
    }
  }

  Caption take() { return std::move(caption_); }

 private:
  void write_part(char part) {
    if (part == 'b') {
      write_word(backgrounds()[static_cast<std::size_t>(spec_.background)].name,
                 WordRole::kBackground, kAbsent);
    } else if (part == 'p') {
      if (spec_.phrasing.says_place) {
        write_word(place_words(spec_.place, spec_.phrasing.phrase), WordRole::kPlace, kAbsent);
      } else {
        caption_.text += "and";
      }
    } else {
      write_object(part - '0');
    }
  }

  void write_object(int index) {
    const auto& object = spec_.objects[static_cast<std::size_t>(index)];
    if (spec_.phrasing.says_tints && object.tint != kAbsent) {
      write_word(tints()[static_cast<std::size_t>(object.tint)].name, WordRole::kTint, index);
      caption_.text += ' ';
    }
    write_word(object_kinds()[static_cast<std::size_t>(object.kind)].name, WordRole::kObject,
               index);
  }

  void write_word(std::string_view word, WordRole role, int object) {
    const bool after_article = caption_.text == "a " || caption_.text.ends_with(" a ");
    if (after_article && std::string_view("aeiou").find(word[0]) != std::string_view::npos) {
      caption_.text.pop_back();
      caption_.text += "n ";
    }
    const auto begin = caption_.text.size();
    caption_.text += word;
    caption_.words.push_back({role, object, begin, caption_.text.size()});
  }

  const SceneSpec& spec_;
  Caption caption_;
};

}  // namespace

int phrase_count(std::size_t objects) { return static_cast<int>(phrases(objects).size()); }

Caption caption_of(const SceneSpec& spec) {
  if (spec.phrasing.empty) return {};
  const auto known = phrases(spec.objects.size());
  const auto index = static_cast<std::size_t>(spec.phrasing.phrase);
  if (index >= known.size()) {
    throw UsageError(fmt::format("phrase {} does not exist: 0 to {} do", spec.phrasing.phrase,
                                 known.size() - 1));
  }
  CaptionWriter writer(spec);
  writer.write(known[index].scene);
  if (spec.phrasing.says_background) writer.write(known[index].ground);
  return writer.take();
}

}  // namespace sd::train
