#include "sd/image/preprocess.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/options/preprocess_limits.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/image/read.h"
#include "sd/image/write.h"

namespace sd::cli {
namespace {

constexpr const char* kPreprocessDescription =
    R"(Makes of a picture the map that a ControlNet is shown.

Examples:
  sd preprocess canny photo.png -o edges.png
  sd preprocess canny photo.png -o edges.png --low 50 --high 120
  sd txt2img --control control_v11p_sd15_canny.safetensors:edges.png --prompt "a house")";

constexpr const char* kPreprocessFooter =
    R"(canny gives OpenCV's edges, blur its Gaussian, scribble lines by a difference of Gaussians (xDoG). Maps
of depth, poses and the like come from networks of other programs, which write them as pictures.
An existing OUT is written over.)";

struct PreprocessOptions {
  std::optional<std::string> name, source;
  std::optional<std::filesystem::path> out;
  std::optional<int64_t> low, high, threshold, lines, seed, cell;
  std::optional<double> rate, sigma;
  bool json = false;
};

Preprocessor preprocessor_of(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& info : all_preprocessors()) {
    if (info.preprocessor == Preprocessor::kNone) continue;
    if (info.name == name) return info.preprocessor;
    known.emplace_back(info.name);
  }
  reject_word("preprocess", name, known);
}

/// The settings that were given. Throws UsageError for one of another preprocessor.
PreprocessSettings settings_of(const PreprocessOptions& options, Preprocessor chosen) {
  PreprocessSettings settings;
  const auto take = [&](const char* option, const auto& given, auto& field, Preprocessor owner) {
    if (!given) return;
    if (owner != chosen) {
      throw UsageError(fmt::format("--{}: belongs to {}, not to {}", option, info_of(owner).name,
                                   info_of(chosen).name));
    }
    field = static_cast<std::remove_reference_t<decltype(field)>>(*given);
  };
  take("low", options.low, settings.low, Preprocessor::kCanny);
  take("high", options.high, settings.high, Preprocessor::kCanny);
  take("threshold", options.threshold, settings.threshold, Preprocessor::kThreshold);
  take("rate", options.rate, settings.rate, Preprocessor::kTile);
  take("sigma", options.sigma, settings.sigma, Preprocessor::kBlur);
  take("lines", options.lines, settings.lines, Preprocessor::kScribble);
  take("field-seed", options.seed, settings.seed, Preprocessor::kShuffle);
  take("cell", options.cell, settings.cell, Preprocessor::kShuffle);
  return settings;
}

int run(const PreprocessOptions& options) {
  if (!options.name || !options.source || !options.out) {
    throw UsageError(
        "preprocess: give what to make, a picture, and where to write it\n"
        "Example: sd preprocess canny photo.png -o edges.png");
  }
  const auto chosen = preprocessor_of(*options.name);
  const auto settings = settings_of(options, chosen);
  if (!is_present(*options.source))
    throw IoError(fmt::format("{} does not exist", *options.source));
  const auto map = preprocess(read_image(*options.source), chosen, settings);
  write_picture(*options.out, map);
  StandardOutput output;
  output.line(options.json ? json_line_of("map", {{"path", options.out->string()},
                                                  {"preprocessor", *options.name},
                                                  {"width", map.width},
                                                  {"height", map.height}})
                           : options.out->string());
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace

Command add_preprocess(CLI::App& app) {
  auto* parser = app.add_subcommand("preprocess", kPreprocessDescription)->group("Commands");
  parser->footer(kPreprocessFooter);
  auto options = std::make_shared<PreprocessOptions>();
  set_parsing_rules(*parser);
  const auto add_positional = [&](const char* name, std::optional<std::string>& value,
                                  const std::string& type, const char* help) {
    parser
        ->add_option_function<std::string>(
            name, [&value](const std::string& text) { value = text; }, help)
        ->type_name(type)
        ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  };
  std::vector<std::string> names;
  for (const auto& info : all_preprocessors()) {
    if (info.preprocessor != Preprocessor::kNone) names.emplace_back(info.name);
  }
  add_positional("NAME", options->name, words_type(names), "What to make");
  add_positional("IN", options->source, "FILE", "A picture");
  add_path(*parser, "output,o", options->out, "FILE", "The map: .png, .jpg or .webp");
  add_whole(*parser, "low", options->low, kCannyRange, "canny: gradients below are no edges (100)");
  add_whole(*parser, "high", options->high, kCannyRange, "canny: those above are (200)");
  add_whole(*parser, "threshold", options->threshold, kByteRange, "threshold: of 0 to 255 (127)");
  add_number(*parser, "rate", options->rate, kRateRange, "tile: how many times smaller (2)");
  add_number(*parser, "sigma", options->sigma, kSigmaRange, "blur: pixels (9)");
  add_whole(*parser, "lines", options->lines, kByteRange, "scribble: less finds more lines (32)");
  add_whole(*parser, "field-seed", options->seed, kShuffleSeedRange,
            "shuffle: of its random field (42)");
  add_whole(*parser, "cell", options->cell, kCellRange,
            "shuffle: pixels between the field's values (256)");
  parser->add_flag("--json", options->json, "A JSON object on stdout instead of the path");
  return {parser, [options] { return run(*options); }};
}

}  // namespace sd::cli
