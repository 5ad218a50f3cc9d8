#include "cli/tasks/grid_axes.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/parser/app_outline.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kExpected =
    "\nExpected options with values, like \"scale=1.5,5;sampler=ddim,plms\".";

/// Splits text at characters that are neither quoted nor escaped.
class AxisReader {
 public:
  explicit AxisReader(std::string_view text) : text_(text) {}

  std::vector<GridAxis> read() {
    std::vector<GridAxis> axes;
    while (at_ < text_.size()) {
      GridAxis axis{read_until("=;"), {}};
      if (stop_ != '=' || axis.key.empty()) fail(fmt::format("'{}' has no values", axis.key));
      do {
        axis.values.push_back(read_until(",;"));
        if (axis.values.back().empty() && !quoted_)
          fail(fmt::format("'{}' has an empty value", axis.key));
      } while (stop_ == ',');
      axes.push_back(std::move(axis));
    }
    if (axes.empty()) fail("it is empty");
    return axes;
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    throw UsageError(fmt::format("--grid: {}{}", what, kExpected));
  }

  /// Text before the next of `stops`, which is put into stop_ (0 at the end).
  std::string read_until(std::string_view stops) {
    std::string text;
    std::size_t kept = 0;  // of it, to the last character that is no blank
    bool inside = false;
    quoted_ = false;
    stop_ = 0;
    while (at_ < text_.size()) {
      char character = text_[at_++];
      if (!inside && stops.find(character) != std::string_view::npos) {
        stop_ = character;
        break;
      }
      if (character == '"') {
        inside = !inside;
        quoted_ = true;
        kept = text.size();
        continue;
      }
      const bool escaped = character == '\\' && at_ < text_.size();
      if (escaped) character = text_[at_++];
      const bool blank = !inside && !escaped && (character == ' ' || character == '\t');
      if (blank && text.empty()) continue;
      text += character;
      if (!blank) kept = text.size();
    }
    if (inside) fail("a quote is not closed");
    text.resize(kept);
    return text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  char stop_ = 0;
  bool quoted_ = false;
};

}  // namespace

std::vector<GridAxis> parse_grid(std::string_view text) {
  auto axes = AxisReader(text).read();
  for (auto axis = axes.begin(); axis != axes.end(); ++axis) {
    const bool twice = std::any_of(axes.begin(), axis, [&](const GridAxis& other) {
      return bare_name(other.key) == bare_name(axis->key);
    });
    if (twice) throw UsageError(fmt::format("--grid: '{}' has two axes{}", axis->key, kExpected));
  }
  return axes;
}

}  // namespace sd::cli
