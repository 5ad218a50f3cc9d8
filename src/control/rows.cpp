#include "control/rows.h"

#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

const RowGroup* source_beside(const RowGroup& target, const std::vector<RowGroup>& rows) {
  for (const auto& group : rows) {
    const bool beside = group.conditional == target.conditional &&
                        group.pictured == target.pictured && group.part == target.part;
    if (group.branch == RowGroup::Branch::kSource && beside) return &group;
  }
  return nullptr;
}

int64_t parts_of(const std::vector<RowGroup>& rows) {
  int64_t parts = 1;
  for (const auto& group : rows) parts = std::max(parts, group.part + 1);
  return parts;
}

bool has_source(const std::vector<RowGroup>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const RowGroup& group) {
    return group.branch == RowGroup::Branch::kSource;
  });
}

void check_per_row(std::size_t settings, int64_t rows, const char* what) {
  if (static_cast<int64_t>(settings) >= rows) return;
  throw UsageError(fmt::format("{}: {} given, expected 1, or one for each row (at least {})", what,
                               settings, rows));
}

std::vector<HeadRun> heads_of(const SiteFilter& filter, int64_t heads) {
  if (filter.heads.empty()) return {{0, heads}};
  auto wanted = filter.heads;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (wanted.front() < 0 || wanted.back() >= heads) {
    throw UsageError(fmt::format("heads: {} asked for, but a layer has heads 0 to {}",
                                 wanted.front() < 0 ? wanted.front() : wanted.back(), heads - 1));
  }
  std::vector<HeadRun> runs;
  for (const int64_t head : wanted) {
    if (!runs.empty() && runs.back().begin + runs.back().count == head) {
      ++runs.back().count;
    } else {
      runs.push_back({head, 1});
    }
  }
  return runs;
}

}  // namespace sd
