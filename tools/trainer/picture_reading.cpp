#include "trainer/picture_reading.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "trainer/scene_vocabulary.h"

namespace sd::train {
namespace {

constexpr int kAllCells = kCells * kCells;
constexpr double kCovered = 0.25;  // share of a cell from which it belongs to an object
constexpr std::size_t kLeastCells = 4;
constexpr double kLeastShare = 0.12;  // of the largest object; the smallest pair is above 0.2
// Where two objects touch, the second one holds at least this share of the common cells, which are
// mostly sure of it.
constexpr double kSecondShare = 0.2;
constexpr double kSecondSurety = 0.5;

/// Probabilities and their sums over cells.
class Cells {
 public:
  explicit Cells(const CellGrid& grid)
      : grid_(grid),
        kinds_(object_kinds().size()),
        tints_(tints().size()),
        backgrounds_(backgrounds().size()) {}

  double covered(int cell) const { return 1 - std::exp(kind_log(cell, kinds_)); }

  /// How probable a kind is if the cell shows any.
  double kind(int cell, std::size_t kind) const {
    return std::exp(kind_log(cell, kind)) / std::max(1e-6, covered(cell));
  }

  /// For each kind the mean of kind() over the cells, each counting by what is covered of it.
  std::vector<double> kinds_over(const std::vector<int>& cells) const {
    std::vector<double> mean(kinds_);
    double weight = 0;
    for (const int cell : cells) weight += covered(cell);
    for (const int cell : cells) {
      for (std::size_t k = 0; k < kinds_; ++k) mean[k] += std::exp(kind_log(cell, k)) / weight;
    }
    return mean;
  }

  /// Summed log-probabilities of the tints, the last "own colours".
  std::vector<double> tints_over(const std::vector<int>& cells) const {
    std::vector<double> sum(tints_ + 1);
    for (const int cell : cells) {
      for (std::size_t t = 0; t <= tints_; ++t) {
        sum[t] += covered(cell) * grid_.tint[at(cell, tints_ + 1, t)];
      }
    }
    return sum;
  }

  std::vector<double> backgrounds_over_free() const {
    std::vector<double> sum(backgrounds_);
    for (int cell = 0; cell < kAllCells; ++cell) {
      for (std::size_t b = 0; b < backgrounds_; ++b) {
        sum[b] += (1 - covered(cell)) * grid_.background[at(cell, backgrounds_, b)];
      }
    }
    return sum;
  }

 private:
  static std::size_t at(int cell, std::size_t width, std::size_t index) {
    return static_cast<std::size_t>(cell) * width + index;
  }
  double kind_log(int cell, std::size_t kind) const {
    return grid_.kind[at(cell, kinds_ + 1, kind)];
  }

  const CellGrid& grid_;
  std::size_t kinds_, tints_, backgrounds_;
};

std::size_t largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// Cells that an object covers, in groups of neighbours (edges, not corners).
std::vector<std::vector<int>> components(const Cells& cells) {
  std::array<bool, kAllCells> waiting{};
  for (int cell = 0; cell < kAllCells; ++cell) {
    waiting[static_cast<std::size_t>(cell)] = cells.covered(cell) >= kCovered;
  }
  std::vector<std::vector<int>> groups;
  for (int start = 0; start < kAllCells; ++start) {
    std::vector<int> group, frontier;
    const auto visit = [&](int cell, bool inside) {
      if (!inside || !waiting[static_cast<std::size_t>(cell)]) return;
      waiting[static_cast<std::size_t>(cell)] = false;
      frontier.push_back(cell);
    };
    visit(start, true);
    while (!frontier.empty()) {
      const int cell = frontier.back();
      frontier.pop_back();
      group.push_back(cell);
      visit(cell - 1, cell % kCells > 0);
      visit(cell + 1, cell % kCells < kCells - 1);
      visit(cell - kCells, cell >= kCells);
      visit(cell + kCells, cell < kAllCells - kCells);
    }
    std::sort(group.begin(), group.end());
    if (!group.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

struct Group {
  std::size_t kind = 0;
  std::vector<int> cells;
};

/// One object of the component's most probable kind, or two where another one holds its own part.
std::vector<Group> split(const Cells& cells, const std::vector<int>& component) {
  const auto kinds = cells.kinds_over(component);
  const auto first = largest(kinds);
  Group best{first, component}, other;
  std::vector<std::vector<int>> claims(kinds.size());
  for (const int cell : component) {
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      if (k != first && cells.kind(cell, k) > kSecondSurety) claims[k].push_back(cell);
    }
  }
  const auto claim =
      std::max_element(claims.begin(), claims.end(),
                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const auto second = static_cast<std::size_t>(claim - claims.begin());
  const auto least = std::max(static_cast<double>(kLeastCells),
                              kSecondShare * static_cast<double>(component.size()));
  if (static_cast<double>(claim->size()) < least) return {best};
  best.cells.clear();
  other.kind = second;
  for (const int cell : component) {
    const bool to_second = cells.kind(cell, second) > cells.kind(cell, first);
    (to_second ? other : best).cells.push_back(cell);
  }
  return {best, other};
}

/// Edges of what is visible: the outermost cells count as far as they are covered.
PixelBox box_of(const Cells& cells, const std::vector<int>& group) {
  std::array<double, kCells> columns{}, rows{};
  for (const int cell : group) {
    const auto x = static_cast<std::size_t>(cell % kCells),
               y = static_cast<std::size_t>(cell / kCells);
    columns[x] = std::max(columns[x], cells.covered(cell));
    rows[y] = std::max(rows[y], cells.covered(cell));
  }
  const auto edges = [](const std::array<double, kCells>& covered) {
    const auto is_covered = [](double share) { return share > 0; };
    const auto first = std::find_if(covered.begin(), covered.end(), is_covered);
    const auto last = std::find_if(covered.rbegin(), covered.rend(), is_covered);
    const auto begin = static_cast<double>(first - covered.begin() + 1) - *first;
    const auto end = static_cast<double>(covered.rend() - last - 1) + *last;
    return std::pair(begin * kCellPixels, end * kCellPixels);
  };
  const auto [left, right] = edges(columns);
  const auto [top, bottom] = edges(rows);
  return {left, top, right, bottom};
}

FoundObject describe(const Cells& cells, Group group) {
  FoundObject found;
  found.kind = static_cast<int>(group.kind);
  found.confidence = cells.kinds_over(group.cells)[group.kind];
  auto tint = cells.tints_over(group.cells);
  const bool own = largest(tint) + 1 == tint.size();
  tint.pop_back();
  found.nearest_tint = static_cast<int>(largest(tint));
  found.tint = own ? kAbsent : found.nearest_tint;
  found.box = box_of(cells, group.cells);
  found.cells = std::move(group.cells);
  return found;
}

}  // namespace

PictureReading read_cells(const CellGrid& grid) {
  const Cells cells(grid);
  std::vector<Group> groups;
  for (const auto& component : components(cells)) {
    for (auto& part : split(cells, component)) {
      const auto same = std::find_if(groups.begin(), groups.end(),
                                     [&](const Group& group) { return group.kind == part.kind; });
      if (same == groups.end()) {
        groups.push_back(std::move(part));
      } else {
        same->cells.insert(same->cells.end(), part.cells.begin(), part.cells.end());
        std::sort(same->cells.begin(), same->cells.end());
      }
    }
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.cells.size() > b.cells.size(); });
  PictureReading reading;
  reading.background = static_cast<int>(largest(cells.backgrounds_over_free()));
  for (auto& group : groups) {
    const auto share =
        static_cast<double>(group.cells.size()) / static_cast<double>(groups.front().cells.size());
    if (group.cells.size() < kLeastCells || share < kLeastShare) continue;
    reading.objects.push_back(describe(cells, std::move(group)));
  }
  return reading;
}

}  // namespace sd::train
