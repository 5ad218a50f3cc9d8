#pragma once

#include <string>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "cli/plan/run_prompts.h"
#include "sd/image/fit.h"
#include "sd/image/image.h"

namespace sd::cli {

/// A region of a run that covers something.
struct RunRegion {
  std::string prompt;
  std::optional<ShareBox> box;
  Image mask;  // without a box: grey, in the size it was given

  /// Grey, white where it holds.
  Image sized(Size size) const;
};

/// The regions of a run. Those that cover nothing are none.
struct RunRegions {
  std::vector<RunRegion> regions;
  double base = 0;
  double feather = 0;
  bool in_attention = false;

  bool empty() const { return regions.empty(); }
  /// A prompt with those of the regions behind it, put together with AND; without a base, theirs
  /// alone.
  std::string composed(const std::string& prompt) const;
  /// What a controller sees of it: all of that where predictions are weighed, else the first part.
  std::string watched(const std::string& prompt) const;
};

/// Reads the masks of the regions that the options name; says which of them cover nothing. Throws
/// IoError, UsageError.
RunRegions run_regions(const DrawOptions& options, const Say& say);

/// The prompts as they are drawn, and as controls and maps look for words in them: the targets'
/// with those of the regions, a source's as it is.
RunPrompts composed_prompts(const RunPrompts& prompts, const RunRegions& regions);
RunPrompts watched_prompts(const RunPrompts& prompts, const RunRegions& regions);

}  // namespace sd::cli
