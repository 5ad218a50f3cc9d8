#pragma once

#include <string>
#include <vector>

#include "sd/image/label.h"

namespace sd::cli {

/// Texts that stand beside each other as labels: in each, the words that not all of them have, in
/// the order that they share, are marked. Nothing is marked where all texts are equal or share no
/// word. Punctuation at a word's end does not count.
std::vector<Label> marked_differences(const std::vector<std::string>& texts);

}  // namespace sd::cli
