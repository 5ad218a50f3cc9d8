#include "cli/options/guide_options.h"

#include <fmt/format.h>

#include "cli/options/attn_lists.h"
#include "sd/core/error.h"

namespace sd::cli {

WordBox parse_word_box(std::string_view option, std::string_view text) {
  const auto equals = text.rfind('=');  // as words may hold one
  const auto fail = [&](std::string_view what) {
    throw UsageError(
        fmt::format("{}: '{}' {}\nExpected WORD=LEFT,TOP,RIGHT,BOTTOM in shares of the picture, "
                    "such as \"cat=0,0,0.5,1\" for its left half.",
                    option, text, what));
  };
  if (equals == std::string_view::npos || equals == 0) fail("names no word");
  const auto edges = parse_numbers(option, text.substr(equals + 1));
  if (edges.size() != 4) fail(fmt::format("has {} edges", edges.size()));
  WordBox box{std::string(text.substr(0, equals)), {edges[0], edges[1], edges[2], edges[3]}};
  check_box(option, box);
  return box;
}

int64_t parse_guide_res(std::string_view option, const std::string& text) {
  for (const int64_t side : {8, 16, 32, 64}) {
    if (text == std::to_string(side)) return side;
  }
  throw UsageError(fmt::format("{}: expected 8, 16, 32 or 64, found '{}'", option, text));
}

}  // namespace sd::cli
