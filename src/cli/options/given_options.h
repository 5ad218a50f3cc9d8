#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sd::cli {

/// An option as it was given, "seed" and "42", or a flag.
struct GivenOption {
  std::string name;                  // the first spelling, without dashes before it
  std::optional<std::string> value;  // none: a flag

  bool operator==(const GivenOption&) const = default;
};

/// A command line in the order in which the command's help lists its options, whatever the order in
/// which they were typed.
struct GivenCommand {
  std::string name;  // "txt2img"
  std::vector<GivenOption> options;

  /// Whether an option was given; dashes and underscores count as equal.
  bool has(std::string_view option) const;
};

/// "init-img" for "init_img".
std::string dashed(std::string_view option);

}  // namespace sd::cli
