#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace sd::train {

/// Red, green, blue in [0,255].
using Rgb = std::array<float, 3>;

/// A kind of object: what captions call it, and the code point of its emoji.
struct ObjectKind {
  std::string_view name;
  char32_t code_point;
};

/// A colour and what captions call it.
struct NamedColour {
  std::string_view name;
  Rgb colour;
};

/// What scenes are made of. An object's kind, its tint and a background are indices into these
/// tables; held-out combinations depend on the names alone, so the order may change.
std::span<const ObjectKind> object_kinds();
std::span<const NamedColour> tints();
std::span<const NamedColour> backgrounds();

/// The index of `name`. Throws UsageError listing the names there are.
int find_kind(std::string_view name);
int find_tint(std::string_view name);
int find_background(std::string_view name);

}  // namespace sd::train
