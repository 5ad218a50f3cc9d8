// What is faster and not exact.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli/options/attn_lists.h"
#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

/// "0.2:0.8", as it is given.
std::string interval_text(const DrawOptions& options) {
  const auto& [begin, end] = options.guidance_interval;
  return fmt::format("{}:{}", number_text(begin), number_text(end));
}

OptionValue guidance_interval() {
  auto value = steps(&DrawOptions::guidance_interval, /*may_be_empty=*/false);
  value.preset = interval_text;
  value.tell = [](const DrawOptions& options) { return steps_json(options.guidance_interval); };
  value.is_set = values::set_in(&DrawOptions::guidance_interval);
  return value;
}

}  // namespace

std::vector<OptionRow> faster_rows() {
  constexpr const char* kGroup = "Faster, not exact";
  return {
      {.names = "guidance-interval",
       .synonyms = "cfg_interval",
       .group = kGroup,
       .help = "Guide only these steps, in fractions of all: 0.2:0.8;\nthe others are drawn as "
               "with --scale 1, in half the time",
       .value = guidance_interval(),
       .key = {"guidance_interval", "guidance_rescale"},
       .told_if_given = true,
       .infotext = {.key = "CFG interval",
                    .after = "CFG rescale phi",
                    .text = interval_text,
                    .read_back = "guidance-interval"}},
      {.names = "deepcache",
       .synonyms = "deepcache_interval,cache_interval",
       .group = kGroup,
       .help = "Compute the UNet's deep layers every N steps, and use\nwhat they made again in "
               "between (DeepCache; published: 3)",
       .value = whole(&DrawOptions::deepcache, kStepsRange),
       .key = {"deepcache", "guidance_interval"},
       .told_if_given = true,
       .infotext = {.key = "DeepCache", .after = "CFG interval", .read_back = "deepcache"}},
      {.names = "tome",
       .synonyms = "token_merging_ratio,token_merging,tome_ratio",
       .group = kGroup,
       .help = "Merge this share of the pixels for self-attention at\nthe latents' own size, 0 to "
               "0.75 (ToMe; published: 0.5)",
       .value = number(&DrawOptions::token_merging, kTokenMergingRange),
       .key = {"tome", "deepcache"},
       .told_if_given = true,
       .infotext = {.key = "Token merging ratio", .after = "DeepCache", .read_back = "tome"}},
  };
}

}  // namespace sd::cli
