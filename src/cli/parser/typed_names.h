#pragma once

#include <string>
#include <vector>

namespace sd::cli {

/// An option as it was typed: errors speak of it by that name.
struct TypedName {
  std::vector<std::string> names;  // all of the option's, with dashes
  std::string typed;               // "--steps"
};

using TypedNames = std::vector<TypedName>;

/// `message` with every other name of those options replaced by the typed one.
std::string respelled(const std::string& message, const TypedNames& typed);

}  // namespace sd::cli
