#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/options/draw_options.h"

namespace sd::cli {

/// What tells a task's pictures: its command, seed and prompts, in one text.
std::string picture_key(const DrawOptions& task);

/// The numbers that the pictures of a list had, found again without its journal.
struct FoundNumbers {
  int64_t first = 0;                            // of the list's first task, by most of the pictures
  std::vector<std::optional<int64_t>> numbers;  // by task; none where no picture is a task's
  std::size_t tasks = 0;                        // that have one
  std::set<int64_t> others;                     // of pictures that are no task's
};

/// Looks through OUTDIR/samples for the pictures of a list whose journal is lost. Pictures are
/// recognised by their metadata. `keys` returns the picture_key of each task, empty where a task
/// has none. It is called only if OUTDIR holds a picture that is not `known` to be another list's
/// by its number. Of several runs of one list it finds the latest. Nothing if there is no picture
/// of the list. Whether a picture was drawn with all of a task's settings is left to whoever draws.
std::optional<FoundNumbers> find_numbers(const std::filesystem::path& outdir,
                                         const std::string& name_template,
                                         const std::function<bool(int64_t)>& known,
                                         const std::function<std::vector<std::string>()>& keys);

/// One more than the highest number of a file in OUTDIR/samples, those left out that seem to be
/// pictures which were cut: they may be the list's own. So may be sources without a sample.
int64_t next_whole_number(const std::filesystem::path& outdir, const std::string& name_template);

}  // namespace sd::cli
