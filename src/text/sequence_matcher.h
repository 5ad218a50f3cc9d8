#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sd {

enum class EditKind { kEqual, kReplace, kDelete, kInsert };

/// a[a_begin, a_end) becomes b[b_begin, b_end).
struct Edit {
  EditKind kind = EditKind::kEqual;
  std::size_t a_begin = 0;
  std::size_t a_end = 0;
  std::size_t b_begin = 0;
  std::size_t b_end = 0;

  bool operator==(const Edit&) const = default;
};

/// The edits that turn `a` into `b`, equal to the opcodes of Python's
/// difflib.SequenceMatcher(None, a, b): the longest common stretch (the first of equals, by place
/// in a, then in b), then the same to its left and right. As there, numbers that make up over a
/// hundredth of a `b` of 200 or more begin no stretch.
std::vector<Edit> find_edits(std::span<const int64_t> a, std::span<const int64_t> b);

}  // namespace sd
