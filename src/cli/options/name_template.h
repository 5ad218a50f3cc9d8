#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sd::cli {

/// What a picture's name may tell.
struct NameFields {
  int64_t number = 0;  // counts on from the highest in the folder
  uint64_t seed = 0;
  int64_t index = 0;  // in the run, from 0
  int64_t iteration = 0;
  int64_t sample = 0;
  int64_t target = 0;
  int64_t steps = 0;
  int64_t width = 0;
  int64_t height = 0;
  std::string prompt, source, model;       // any text
  std::string sampler, scale, date, time;  // fit for file names as they are
};

/// A template of file names such as "{date}/{seed}-{prompt:40}": literal text with fields in
/// braces ("{{" and "}}" are braces), folders divided by "/". A number takes zero padding,
/// "{number:05}"; a text is cut to so many characters, "{prompt:40}". What values bring along never
/// makes a folder, a hidden file or a way out of the folder.
class NameTemplate {
 public:
  /// Throws UsageError, beginning with "--name:", for an unknown field (listing all), an open
  /// brace, a format that does not fit, "." or ".." or an empty name between slashes, control
  /// characters, a {number} in a folder, or names that could become too long.
  static NameTemplate parse(const std::string& text);

  /// The fields' names, lines of at most `width` characters.
  static std::string field_list(std::size_t width);

  /// A relative path without ending.
  std::filesystem::path expand(const NameFields& fields) const;

  bool has_number() const;
  bool is_number_alone() const;
  /// Names {source} or {target}.
  bool tells_of_swaps() const;

  /// The number in the name of a file (its ending removed) that this template may have made, judged
  /// by what stands beside {number}; nothing if there is none.
  std::optional<int64_t> number_in(std::string_view stem) const;

 private:
  struct Piece {
    std::string literal;   // when `field` is -1
    int field = -1;        // in the table of fields
    std::size_t size = 0;  // zero padding or cut; 0: none
  };
  using Component = std::vector<Piece>;  // between two slashes

  void check() const;
  static Piece parse_field(std::string_view text);
  static std::string expand(const Component& component, const NameFields& fields);

  std::vector<Component> components_;
};

}  // namespace sd::cli
