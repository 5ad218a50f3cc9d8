#include "cli/commands/attn_from_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/maps/attn_drawings.h"
#include "cli/options/attn_lists.h"
#include "cli/parser/draw_parser.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGroup = "From saved maps";
constexpr double kForkAlpha = 0.7;
constexpr Range<int64_t> kLevelRange{0, 2};
constexpr Range<int64_t> kTimeRange{0, 999};
constexpr Range<int64_t> kResolutionRange{0, 1024};
constexpr Range<int64_t> kTokenRange{0, 4095};
constexpr Range<int64_t> kCountRange{1, 100'000};

bool given(const CLI::App& app, const char* name) { return app.get_option(name)->count() > 0; }

void add_choice_options(CLI::App& app, SavedChoice& choice) {
  add_whole(app, "slevel", choice.first_level, kLevelRange, "First level: 0 down, 1 middle, 2 up");
  add_whole(app, "elevel", choice.last_level, kLevelRange, "Last level");
  add_whole(app, "stime", choice.first_time, kTimeRange,
            "First timestep; 0 is the last one that was\nsampled, as in the fork");
  add_whole(app, "etime", choice.last_time, kTimeRange, "Last one (all)");
  add_whole(app, "token_idx", choice.token, kTokenRange, "Token, counted from 0, the start");
}

void add_compose_options(CLI::App& app, AttnFilesOptions& options) {
  add_path(
      app, "compose", options.compose, "DIR",
      "Put what --from drew into DIR beside each other: a\ncolumn a resolution, a row a range of "
      "levels, the\nmiddle above (to DIR, unless --outdir is given)");
  auto& expected = options.expected;
  add_whole(app, "num_sample", expected.samples, kCountRange,
            "How many samples they should be of; not needed");
  add_whole(app, "num_level", expected.resolutions, kCountRange, "The same of resolutions");
  add_whole(app, "num_att_comp", expected.level_ranges, kCountRange, "Of ranges of levels");
  add_whole(app, "num_att_maps", expected.maps, kCountRange, "Of maps a sample");
}

/// The layers that `--res` of a picture drawn anew names; none where it can only be one of saved
/// maps (reject_attn_files_options refuses it beside a prompt).
std::vector<int64_t> layers_in(const std::string& text) {
  try {
    return parse_resolutions("--res", text);
  } catch (const UsageError&) {
    return {};
  }
}

/// Drawings are found where a run of the fork's second script expects them: in the folder that its
/// first one was told to save in.
std::optional<fs::path> composed_folder(const AttnFilesOptions& options) {
  if (options.compose) return options.compose;
  const auto& from = options.from.from;
  if (options.from.image || holds_saved_maps(*from) || list_drawings(*from).empty()) return {};
  return from;
}

/// Without options of its own a drawing looks as the fork's.
AttnOptions look_of(const CLI::App& app, const AttnOptions& asked) {
  auto look = asked;
  if (!given(app, "--attn-norm")) look.norm = AttnNorm::kFork;
  if (!given(app, "--attn-colormap")) look.colormap = Colormap::kGrey;
  if (!given(app, "--attn-alpha")) look.alpha = kForkAlpha;
  if (look.norm == AttnNorm::kToken || look.norm == AttnNorm::kAbsolute) {
    throw UsageError("--attn-norm: of one token's maps only fork and minmax can be drawn");
  }
  return look;
}

/// The fork reads --is_mid and goes by the other options alone.
SavedChoice choice_of(const CLI::App& app, const AttnFilesOptions& options) {
  auto choice = options.from.choice;
  if (options.res) choice.resolution = parse_whole("--res", *options.res, kResolutionRange);
  if (!options.is_mid) return choice;
  if (!given(app, "--slevel")) choice.first_level = 1;
  if (!given(app, "--elevel")) choice.last_level = 1;
  if (!options.res) choice.resolution = 0;
  return choice;
}

std::vector<fs::path> compose(const CLI::App& app, const AttnFilesOptions& options,
                              const DrawOptions& draw, const fs::path& folder) {
  auto choice = options.expected;
  if (given(app, "--token_idx")) choice.token = options.from.choice.token;
  if (given(app, "--stime")) choice.first_time = options.from.choice.first_time;
  choice.last_time = options.from.choice.last_time;
  return compose_drawings(folder, choice, draw.outdir.value_or(folder));
}

}  // namespace

void add_attn_files_options(CLI::App& app, AttnFilesOptions& options, DrawOptions& draw) {
  app.option_defaults()->group(kGroup);
  auto& from = options.from;
  add_path(app, "from,root", from.from, "DIR", "Draw from maps that --is_get_attn saved");
  add_path(app, "img,img_path", from.image, "FILE",
           "The picture or grid of those maps, to lay them over");
  add_choice_options(app, from.choice);
  add_parsed(
      app, "res",
      [&options, &draw](const std::string& text) {
        options.res = text;
        draw.control.resolutions = layers_in(text);
      },
      "N",
      "Resolution of saved maps: 0 the middle's, 1 to 3 those\nof down and up from the smallest, "
      "else latent pixels\n(1); without --from, control only such layers: 16,32");
  app.add_flag("--is_mid,--is-mid", options.is_mid,
               "As --slevel 1 --elevel 1 --res 0, of which those\nthat are named win");
  add_draw_option(app, draw, "save_dir");
  add_compose_options(app, options);
}

bool draws_from_files(const AttnFilesOptions& options) {
  return options.from.from || options.compose;
}

void reject_attn_files_options(const CLI::App& app, const AttnFilesOptions& options) {
  for (const CLI::Option* option : app.get_options()) {
    const auto name = option->get_lnames().empty() ? "" : option->get_lnames().front();
    // These two mean something where a prompt is drawn, too.
    const bool of_files = option->get_group() == kGroup && name != "res" && name != "save_dir";
    if (!of_files || option->count() == 0) continue;
    throw UsageError(fmt::format("--{}: belongs to saved maps, named with --from DIR", name));
  }
  if (options.res) parse_resolutions("--res", *options.res);
}

int draw_from_files(const CLI::App& app, const AttnFilesOptions& options, const DrawOptions& draw) {
  if (options.compose && options.from.from) {
    throw UsageError("--compose and --from: give one of them");
  }
  auto from = options.from;
  from.choice = choice_of(app, options);
  const auto say = [&draw](const std::string& text) {
    if (!draw.quiet) print_message(text);
  };
  std::vector<fs::path> paths;
  if (const auto folder = composed_folder(options)) {
    if (!options.compose) {
      say(fmt::format("{} holds drawings and no maps: composing them", folder->string()));
    }
    paths = compose(app, options, draw, *folder);
  } else {
    paths = draw_from(from, look_of(app, draw.attn), draw.folder(), say);
  }
  StandardOutput output;
  for (const auto& path : paths) {
    output.line(draw.json
                    ? json_line_of("attention", {{"path", path.string()}, {"picture", nullptr}})
                    : path.string());
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace sd::cli
