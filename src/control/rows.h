#pragma once

#include <torch/types.h>

#include <algorithm>

#include "sd/control/scope.h"

namespace sd {

/// The source's rows beside `target`, conditional, pictured and of the part as they are; null when
/// there is no source.
const RowGroup* source_beside(const RowGroup& target, const std::vector<RowGroup>& rows);
/// How many parts the prompts of a batch have at most.
int64_t parts_of(const std::vector<RowGroup>& rows);
bool has_source(const std::vector<RowGroup>& rows);

/// Throws UsageError unless a list of settings holds one for all, or one for each of `rows` rows.
void check_per_row(std::size_t settings, int64_t rows, const char* what);

/// Calls f(setting, offset, count) for the rows of a group: once for all of them where all share a
/// setting, else row by row. Rows are offset, offset + 1, ... within the group.
template <typename F>
void for_each_setting(std::size_t settings, const RowGroup& group, const char* what, F f) {
  if (settings == 1) {
    f(std::size_t{0}, int64_t{0}, group.count);
    return;
  }
  const int64_t first = group.target * group.count;
  check_per_row(settings, first + group.count, what);
  for (int64_t i = 0; i < group.count; ++i) f(static_cast<std::size_t>(first + i), i, int64_t{1});
}

/// Consecutive heads.
struct HeadRun {
  int64_t begin, count;
};

/// The heads of a layer with `heads` of them that a filter means. Throws UsageError where it names
/// one that the layer does not have.
std::vector<HeadRun> heads_of(const SiteFilter& filter, int64_t heads);

/// Which parts of a call's probabilities an edit goes over.
struct EditScope {
  const AttentionCall& call;
  const SiteFilter& sites;
  RowChoice rows;
  std::size_t settings = 1;  // 1, or one for each target row
  const char* what = "";     // what the settings are called in messages
};

/// Calls f(setting, target, source) for every target and every run of heads in the scope; `setting`
/// is the index of the settings that hold for these rows. `target` and `source` are views
/// [rows,heads,Q,K] of probs with the target's rows and the source rows that belong to them.
/// `source` is undefined in a batch without a source.
template <typename F>
void for_each_edit(const torch::Tensor& probs, const EditScope& scope, F f) {
  const auto heads = heads_of(scope.sites, probs.size(1));
  for (const auto& target : scope.call.rows) {
    if (target.branch != RowGroup::Branch::kTarget || !includes(scope.rows, target)) continue;
    const RowGroup* source = source_beside(target, scope.call.rows);
    for_each_setting(
        scope.settings, target, scope.what,
        [&](std::size_t setting, int64_t offset, int64_t count) {
          for (const auto& run : heads) {
            const auto view = [&](const RowGroup& group) {
              return probs.narrow(0, group.begin + offset, count).narrow(1, run.begin, run.count);
            };
            f(setting, view(target), source ? view(*source) : torch::Tensor());
          }
        });
  }
}

}  // namespace sd
