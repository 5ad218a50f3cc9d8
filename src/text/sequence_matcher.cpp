#include "text/sequence_matcher.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace sd {
namespace {

constexpr std::size_t kPopularFrom = 200;  // difflib's "autojunk": length of b, and its share
constexpr std::size_t kPopularShare = 100;

/// a[a, a + size) equals b[b, b + size).
struct Match {
  std::size_t a = 0;
  std::size_t b = 0;
  std::size_t size = 0;
};

/// The part of both sequences in which a match is looked for.
struct Window {
  std::size_t a_begin = 0;
  std::size_t a_end = 0;
  std::size_t b_begin = 0;
  std::size_t b_end = 0;
};

class Matcher {
 public:
  Matcher(std::span<const int64_t> a, std::span<const int64_t> b) : a_(a), b_(b) {
    for (std::size_t j = 0; j < b.size(); ++j) places_in_b_[b[j]].push_back(j);
    if (b.size() < kPopularFrom) return;
    const std::size_t most = b.size() / kPopularShare + 1;
    std::erase_if(places_in_b_, [most](const auto& entry) { return entry.second.size() > most; });
  }

  /// All matches, in order; neighbours without a gap are one. The last one is empty, at the ends.
  std::vector<Match> matches() const {
    std::vector<Match> found;
    std::vector<Window> open = {{0, a_.size(), 0, b_.size()}};
    while (!open.empty()) {
      const Window window = open.back();
      open.pop_back();
      const Match match = longest(window);
      if (match.size == 0) continue;
      found.push_back(match);
      open.push_back({window.a_begin, match.a, window.b_begin, match.b});
      open.push_back({match.a + match.size, window.a_end, match.b + match.size, window.b_end});
    }
    std::ranges::sort(found, {}, &Match::a);
    std::vector<Match> joined;
    for (const Match& match : found) {
      if (!joined.empty() && joined.back().a + joined.back().size == match.a &&
          joined.back().b + joined.back().size == match.b) {
        joined.back().size += match.size;
      } else {
        joined.push_back(match);
      }
    }
    joined.push_back({a_.size(), b_.size(), 0});
    return joined;
  }

 private:
  Match longest(const Window& window) const {
    Match best{window.a_begin, window.b_begin, 0};
    std::vector<std::size_t> previous(b_.size() + 1);  // [j + 1]: length of the match ending at j
    std::vector<std::size_t> current(b_.size() + 1);
    for (std::size_t i = window.a_begin; i < window.a_end; ++i) {
      std::ranges::fill(current, 0);
      const auto places = places_in_b_.find(a_[i]);
      if (places != places_in_b_.end()) {
        for (const std::size_t j : places->second) {
          if (j < window.b_begin || j >= window.b_end) continue;
          const std::size_t size = current[j + 1] = previous[j] + 1;
          if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
        }
      }
      std::swap(previous, current);
    }
    return extended(best, window);
  }

  /// Popular numbers begin no match, but belong to one that they adjoin.
  Match extended(Match match, const Window& window) const {
    while (match.a > window.a_begin && match.b > window.b_begin &&
           a_[match.a - 1] == b_[match.b - 1]) {
      match = {match.a - 1, match.b - 1, match.size + 1};
    }
    while (match.a + match.size < window.a_end && match.b + match.size < window.b_end &&
           a_[match.a + match.size] == b_[match.b + match.size]) {
      ++match.size;
    }
    return match;
  }

  std::span<const int64_t> a_;
  std::span<const int64_t> b_;
  std::unordered_map<int64_t, std::vector<std::size_t>> places_in_b_;
};

}  // namespace

std::vector<Edit> find_edits(std::span<const int64_t> a, std::span<const int64_t> b) {
  std::vector<Edit> edits;
  std::size_t i = 0;
  std::size_t j = 0;
  for (const Match& match : Matcher(a, b).matches()) {
    if (i < match.a && j < match.b) {
      edits.push_back({EditKind::kReplace, i, match.a, j, match.b});
    } else if (i < match.a) {
      edits.push_back({EditKind::kDelete, i, match.a, j, j});
    } else if (j < match.b) {
      edits.push_back({EditKind::kInsert, i, i, j, match.b});
    }
    i = match.a + match.size;
    j = match.b + match.size;
    if (match.size > 0) edits.push_back({EditKind::kEqual, match.a, i, match.b, j});
  }
  return edits;
}

}  // namespace sd
