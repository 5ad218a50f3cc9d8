#include "cli/maps/attn_compose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "cli/maps/attn_drawings.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

using Range = std::pair<int64_t, int64_t>;

constexpr int64_t kMiddle = 1;         // the level
constexpr int64_t kPlainHeight = 512;  // of a map where no picture says how high
constexpr uint8_t kWhite = 255;

bool is_middle(const DrawingName& name) {
  return name.first_level == kMiddle && name.last_level == kMiddle;
}

/// The drawings that are composed, and the lines and columns that they fill.
struct Plan {
  std::vector<Drawing> drawings;
  std::set<int64_t> samples;
  std::set<int64_t> resolutions;  // of what is not the middle: the columns
  std::set<Range> levels;         // the rows below the middle's
  bool middle = false;

  int64_t columns() const { return std::max<int64_t>(1, static_cast<int64_t>(resolutions.size())); }
  int64_t rows() const { return static_cast<int64_t>(levels.size()) + (middle ? 1 : 0); }
  int64_t row_of(const DrawingName& name) const {
    if (is_middle(name)) return 0;
    const auto at = levels.find({name.first_level, name.last_level});
    return (middle ? 1 : 0) + std::distance(levels.begin(), at);
  }
  int64_t column_of(const DrawingName& name) const {
    if (is_middle(name)) return 0;
    return std::distance(resolutions.begin(), resolutions.find(name.resolution));
  }
};

/// Leaves the drawings of one token.
void choose_token(std::vector<Drawing>& drawings, const std::optional<int64_t>& wanted) {
  std::set<int64_t> known;
  for (const auto& drawing : drawings) known.insert(drawing.name.token);
  if (!wanted && known.size() > 1) {
    throw UsageError(
        fmt::format("--compose: there are drawings of tokens {}\nName one with "
                    "--token_idx.",
                    fmt::join(known, ", ")));
  }
  const int64_t token = wanted.value_or(*known.begin());
  std::erase_if(drawings, [&](const Drawing& drawing) { return drawing.name.token != token; });
  if (!drawings.empty()) return;
  throw UsageError(
      fmt::format("--token_idx {}: there are drawings of token {}", token, fmt::join(known, ", ")));
}

/// Leaves the drawings of one stretch of timesteps.
void choose_times(std::vector<Drawing>& drawings, const ComposeChoice& choice) {
  const auto stretches = [&] {
    std::set<Range> known;
    for (const auto& drawing : drawings)
      known.insert({drawing.name.first_time, drawing.name.last_time});
    return known;
  };
  const auto all = stretches();
  std::erase_if(drawings, [&](const Drawing& drawing) {
    return choice.first_time.value_or(drawing.name.first_time) != drawing.name.first_time ||
           choice.last_time.value_or(drawing.name.last_time) != drawing.name.last_time;
  });
  if (stretches().size() == 1) return;
  std::vector<std::string> texts;
  for (const auto& [first, last] : all) texts.push_back(fmt::format("{} to {}", first, last));
  throw UsageError(
      fmt::format("--compose: there are drawings of timesteps {}\nName one stretch of "
                  "them with --stime and --etime.",
                  fmt::join(texts, ", ")));
}

void check_count(std::string_view option, const std::optional<int64_t>& expected, std::size_t found,
                 std::string_view what) {
  if (!expected || *expected == static_cast<int64_t>(found)) return;
  throw UsageError(fmt::format("--{} {}: the drawings are of {} {}; the option may be left out",
                               option, *expected, found, what));
}

Plan plan_of(std::vector<Drawing> drawings, const ComposeChoice& choice) {
  choose_token(drawings, choice.token);
  choose_times(drawings, choice);
  Plan plan;
  std::set<DrawingName> maps;  // that each sample has
  for (const auto& [name, copy, path] : drawings) {
    if (name.sample) plan.samples.insert(*name.sample);
    if (is_middle(name)) {
      plan.middle = true;
    } else {
      plan.resolutions.insert(name.resolution);
      plan.levels.insert({name.first_level, name.last_level});
    }
    auto map = name;
    map.sample.reset();
    maps.insert(map);
  }
  plan.drawings = std::move(drawings);
  check_count("num_sample", choice.samples, plan.samples.size(), "samples");
  check_count("num_level", choice.resolutions, plan.resolutions.size() + (plan.middle ? 1 : 0),
              "resolutions, the middle's among them");
  check_count("num_att_comp", choice.level_ranges, plan.levels.size(),
              "ranges of levels beside the middle");
  check_count("num_att_maps", choice.maps, maps.size(), "kinds a sample");
  return plan;
}

Image white_sheet(int64_t width, int64_t height) {
  if (width > kMaxPixels / height) {
    throw UsageError(
        fmt::format("--compose: a picture of {} x {} pixels would be too large", width, height));
  }
  return {width, height, 3,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * 3), kWhite)};
}

void place(const Image& given, Size size, int64_t left, int64_t top, Image& sheet) {
  const auto part = resize(to_rgb(given), size.width, size.height, Filter::kBilinear);
  for (int64_t y = 0; y < part.height; ++y) {
    const auto row = part.pixels.begin() + y * part.width * 3;
    std::copy(row, row + part.width * 3,
              sheet.pixels.begin() + ((top + y) * sheet.width + left) * 3);
  }
}

/// All bundles, each as large as the first.
Image compose_bundles(const Plan& plan, const Image& first) {
  const Size cell{first.width, first.height};
  auto sheet = white_sheet(cell.width * plan.columns(), cell.height * plan.rows());
  for (const auto& [name, copy, path] : plan.drawings) {
    if (name.sample) continue;
    place(read_image(path), cell, plan.column_of(name) * cell.width,
          plan.row_of(name) * cell.height, sheet);
  }
  return sheet;
}

/// All maps, a cell's samples side by side.
Image compose_maps(const Plan& plan, const Drawing& first, int64_t height) {
  const auto map = read_image(first.path);
  const Size size{std::max<int64_t>(1, height * map.width / map.height), height};
  const auto across = static_cast<int64_t>(plan.samples.size());
  auto sheet = white_sheet(size.width * across * plan.columns(), height * plan.rows());
  for (const auto& [name, copy, path] : plan.drawings) {
    if (!name.sample) continue;
    const auto sample = std::distance(plan.samples.begin(), plan.samples.find(*name.sample));
    place(read_image(path), size, (plan.column_of(name) * across + sample) * size.width,
          plan.row_of(name) * height, sheet);
  }
  return sheet;
}

}  // namespace

std::vector<fs::path> compose_drawings(const fs::path& dir, const ComposeChoice& choice,
                                       const fs::path& outdir) {
  auto drawings = list_drawings(dir);
  if (drawings.empty()) {
    throw IoError(fmt::format(
        "--compose: {} has no drawings such as attmap0_tokidx:3_res016_lev:0_2_tstep:0_49.png\n"
        "'sd attn --from MAPS --outdir DIR' makes them.",
        dir.string()));
  }
  const auto plan = plan_of(std::move(drawings), choice);
  const auto find = [&](bool bundle) {
    return std::ranges::find_if(plan.drawings, [&](const Drawing& drawing) {
      return drawing.name.sample.has_value() != bundle;
    });
  };
  const int64_t token = plan.drawings.front().name.token;
  make_writable_folder(outdir);
  std::vector<fs::path> paths;
  int64_t height = kPlainHeight;
  if (const auto first = find(/*bundle=*/true); first != plan.drawings.end()) {
    const auto picture = read_image(first->path);
    height = picture.height;
    paths.push_back(write_drawing(outdir, fmt::format("last_bundle_imgs_idx:{}", token),
                                  compose_bundles(plan, picture)));
  }
  if (const auto first = find(/*bundle=*/false); first != plan.drawings.end()) {
    paths.push_back(write_drawing(outdir, fmt::format("last_bundle_attnmaps_idx:{}", token),
                                  compose_maps(plan, *first, height)));
  }
  return paths;
}

}  // namespace sd::cli
