// What is added to guidance.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/options/attn_lists.h"
#include "cli/options/option_table.h"
#include "sd/core/error.h"
#include "sd/core/layer_names.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

constexpr Range<double> kAddedScaleRange{0.0, 100.0};
constexpr Range<double> kAdaptiveRange{0.0, 1.0};
constexpr Range<double> kSigmaRange{0.01, 100.0};
constexpr Range<double> kFactorsRange{0.0, 10.0};
constexpr Range<double> kShareRange{0.0, 1.0};
constexpr Range<double> kNormRange{0.0, 1e6};
constexpr Range<double> kMomentumRange{-1.0, 1.0};
constexpr Range<double> kNagScaleRange{1.0, 100.0};
constexpr Range<double> kTauRange{1.0, 100.0};

template <typename Field>
auto of(Field AddedGuidance::*field) {
  return in(&DrawOptions::added, field);
}

std::string infinite_or(double value) {
  return value == std::numeric_limits<double>::infinity() ? "inf" : number_text(value);
}

/// The numbers of "1.5,1.6" or "1.5:1.6", at least `least` and at most as many as `ranges`.
std::vector<double> parse_numbers(const std::string& option, const std::string& text,
                                  const std::vector<Range<double>>& ranges, std::size_t least,
                                  std::string_view form) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find_first_of(",:", begin), text.size());
    if (numbers.size() == ranges.size()) break;
    numbers.push_back(parse_real(option, text.substr(begin, end - begin), ranges[numbers.size()]));
    begin = end + 1;
    if (begin <= text.size()) continue;
    if (numbers.size() >= least) return numbers;
  }
  throw UsageError(fmt::format("{}: '{}' is not of the form {}", option, text, form));
}

/// A number that cannot be just any.
OptionValue called(std::string type, OptionValue value) {
  value.type = std::move(type);
  return value;
}

OptionValue layers(std::string AddedGuidance::*field) {
  auto value = parsed(
      "LAYERS", [field](DrawOptions& options, const std::string& option, const std::string& text) {
        parse_layer_names(option, text);
        options.added.*field = text;
      });
  value.preset = [field](const DrawOptions& options) { return options.added.*field; };
  value.tell = [field](const DrawOptions& options) { return Json(options.added.*field); };
  value.is_set = [field](const DrawOptions& options) {
    return options.added.*field != AddedGuidance{}.*field;
  };
  return value;
}

OptionValue seg_sigma() {
  auto value =
      parsed("X", [](DrawOptions& options, const std::string& option, const std::string& text) {
        options.added.seg_sigma = text == "inf" ? std::numeric_limits<double>::infinity()
                                                : parse_real(option, text, kSigmaRange);
      });
  value.preset = [](const DrawOptions& options) { return infinite_or(options.added.seg_sigma); };
  value.tell = [](const DrawOptions& options) {  // JSON has no infinite numbers
    const double sigma = options.added.seg_sigma;
    return std::isinf(sigma) ? Json("inf") : Json(sigma);
  };
  value.is_set = values::set_in(of(&AddedGuidance::seg_sigma));
  return value;
}

std::string freeu_text(const DrawOptions& options) {
  const auto factors = options.added.freeu.value_or(FreeUFactors{});
  return fmt::format("{}:{}:{}:{}", number_text(factors.b1), number_text(factors.b2),
                     number_text(factors.s1), number_text(factors.s2));
}

OptionValue freeu() {
  auto value = parsed(
      "B1,B2,S1,S2", [](DrawOptions& options, const std::string& option, const std::string& text) {
        const auto n = parse_numbers(option, text, std::vector(4, kFactorsRange), 4, "B1,B2,S1,S2");
        options.added.freeu = FreeUFactors{n[0], n[1], n[2], n[3]};
      });
  value.tell = [](const DrawOptions& options) -> Json {
    const auto& factors = options.added.freeu;
    if (!factors) return {};
    return Json::array({factors->b1, factors->b2, factors->s1, factors->s2});
  };
  value.is_set = values::set_in(of(&AddedGuidance::freeu));
  return value;
}

OptionValue freeu_interval() {
  auto value = steps(of(&AddedGuidance::freeu_interval), /*may_be_empty=*/false);
  value.preset = [](const DrawOptions&) { return std::string("0:1"); };
  value.tell = [](const DrawOptions& options) { return steps_json(options.added.freeu_interval); };
  value.is_set = values::set_in(of(&AddedGuidance::freeu_interval));
  return value;
}

std::string freeu_interval_text(const DrawOptions& options) {
  const auto& [begin, end] = options.added.freeu_interval;
  return fmt::format("{}:{}", number_text(begin), number_text(end));
}

std::string threshold_text(const DrawOptions& options) {
  const auto threshold = options.added.dynamic_threshold.value_or(DynamicThreshold{});
  if (threshold.percentile == 1) return number_text(threshold.mimic_scale);
  return fmt::format("{}:{}", number_text(threshold.mimic_scale),
                     number_text(threshold.percentile));
}

OptionValue dynamic_threshold() {
  auto value = parsed("MIMIC[:PERCENTILE]", [](DrawOptions& options, const std::string& option,
                                               const std::string& text) {
    const auto n =
        parse_numbers(option, text, {kAddedScaleRange, kShareRange}, 1, "MIMIC[:PERCENTILE]");
    options.added.dynamic_threshold = DynamicThreshold{n[0], n.size() > 1 ? n[1] : 1};
  });
  value.tell = [](const DrawOptions& options) -> Json {
    const auto& threshold = options.added.dynamic_threshold;
    if (!threshold) return {};
    return {{"mimic_scale", threshold->mimic_scale}, {"percentile", threshold->percentile}};
  };
  value.is_set = values::set_in(of(&AddedGuidance::dynamic_threshold));
  return value;
}

std::string apg_text(const DrawOptions& options) {
  const auto apg = options.added.apg.value_or(ProjectedGuidance{});
  return fmt::format("{}:{}:{}", number_text(apg.eta), number_text(apg.norm),
                     number_text(apg.momentum));
}

OptionValue apg() {
  auto value = parsed("ETA[:NORM[:MOMENTUM]]", [](DrawOptions& options, const std::string& option,
                                                  const std::string& text) {
    const auto n = parse_numbers(option, text, {kShareRange, kNormRange, kMomentumRange}, 1,
                                 "ETA[:NORM[:MOMENTUM]]");
    ProjectedGuidance given;
    given.eta = n[0];
    if (n.size() > 1) given.norm = n[1];
    if (n.size() > 2) given.momentum = n[2];
    options.added.apg = given;
  });
  value.tell = [](const DrawOptions& options) -> Json {
    const auto& apg = options.added.apg;
    if (!apg) return {};
    return {{"eta", apg->eta}, {"norm", apg->norm}, {"momentum", apg->momentum}};
  };
  value.is_set = values::set_in(of(&AddedGuidance::apg));
  return value;
}

bool has_pag(const DrawOptions& options) { return options.added.pag_scale != 0; }
bool has_seg(const DrawOptions& options) { return options.added.seg_scale != 0; }
bool has_sag(const DrawOptions& options) { return options.added.sag_scale != 0; }
bool has_freeu(const DrawOptions& options) { return options.added.freeu.has_value(); }
bool has_nag(const DrawOptions& options) { return options.added.nag_scale != 1; }

constexpr const char* kGroup = "More guidance";

std::vector<OptionRow> perturbing_rows() {
  return {
      {.names = "pag",
       .synonyms = "pag_scale",
       .group = kGroup,
       .help =
           "Perturbed-attention guidance by this scale (published:\n3); a third pass in each step",
       .value = number(of(&AddedGuidance::pag_scale), kAddedScaleRange),
       .key = {"pag", "tome"},
       .told_if_given = true,
       .infotext = {.key = "PAG Scale", .after = "TCD gamma", .read_back = "pag"}},
      {.names = "pag-layers",
       .synonyms = "pag_applied_layers",
       .group = kGroup,
       .help = "Where: mid, down, up.0, input_blocks.7, ..., with\ncommas between",
       .value = layers(&AddedGuidance::pag_layers),
       .needs = has_pag,
       .without = "belongs to --pag",
       .key = {"pag_layers", "pag"},
       .told_if_given = true,
       .infotext = {.key = "PAG layers", .after = "PAG Scale", .read_back = "pag-layers"}},
      {.names = "pag-adaptive",
       .synonyms = "pag_adaptive_scale",
       .group = kGroup,
       .help = "Let the scale fall by this for each timestep below\n1000",
       .value = number(of(&AddedGuidance::pag_adaptive), kAdaptiveRange),
       .needs = has_pag,
       .without = "belongs to --pag",
       .key = {"pag_adaptive", "pag_layers"},
       .told_if_given = true,
       .infotext = {.key = "PAG adaptive", .after = "PAG layers", .read_back = "pag-adaptive"}},
      {.names = "seg",
       .synonyms = "seg_scale,seg_guidance_scale",
       .group = kGroup,
       .help = "Smoothed-energy guidance by this scale (published: 3);\na third pass in each step",
       .value = number(of(&AddedGuidance::seg_scale), kAddedScaleRange),
       .key = {"seg", "pag_adaptive"},
       .told_if_given = true,
       .infotext = {.key = "SEG Scale", .after = "PAG adaptive", .read_back = "seg"}},
      {.names = "seg-sigma",
       .synonyms = "seg_blur_sigma",
       .group = kGroup,
       .help = "Deviation of the blur of queries; inf is their mean",
       .value = seg_sigma(),
       .needs = has_seg,
       .without = "belongs to --seg",
       .key = {"seg_sigma", "seg"},
       .told_if_given = true,
       .infotext = {.key = "SEG Blur Sigma", .after = "SEG Scale", .read_back = "seg-sigma"}},
      {.names = "seg-layers",
       .synonyms = "seg_applied_layers",
       .group = kGroup,
       .help = "Where, as --pag-layers",
       .value = layers(&AddedGuidance::seg_layers),
       .needs = has_seg,
       .without = "belongs to --seg",
       .key = {"seg_layers", "seg_sigma"},
       .told_if_given = true,
       .infotext = {.key = "SEG layers", .after = "SEG Blur Sigma", .read_back = "seg-layers"}},
      {.names = "sag",
       .synonyms = "sag_scale",
       .group = kGroup,
       .help =
           "Self-attention guidance by this scale (published: 0.75);\nanother UNet call in each "
           "step",
       .value = number(of(&AddedGuidance::sag_scale), kAddedScaleRange),
       .key = {"sag", "seg_layers"},
       .told_if_given = true,
       .infotext = {.key = "SAG Guidance Scale", .after = "SEG layers", .read_back = "sag"}},
      {.names = "sag-sigma",
       .synonyms = "sag_blur_sigma",
       .group = kGroup,
       .help = "Deviation of its blur, in latents",
       .value = number(of(&AddedGuidance::sag_sigma), kSigmaRange),
       .needs = has_sag,
       .without = "belongs to --sag",
       .key = {"sag_sigma", "sag"},
       .told_if_given = true,
       .infotext = {.key = "SAG Blur Sigma",
                    .after = "SAG Guidance Scale",
                    .read_back = "sag-sigma"}},
  };
}

std::vector<OptionRow> other_rows() {
  return {
      {.names = "freeu",
       .group = kGroup,
       .help = "FreeU: factors of the way up's own features and of what\nskips to it (SD 1.5: "
               "1.5,1.6,0.9,0.2; SD 2.1:\n1.4,1.6,0.9,0.2); costs nothing",
       .value = freeu(),
       .key = {"freeu", "sag_sigma"},
       .told_if_given = true,
       .infotext =
           {.key = "FreeU", .after = "SAG Blur Sigma", .text = freeu_text, .read_back = "freeu"}},
      {.names = "freeu-version",
       .group = kGroup,
       .help = "1 (constant factors, as diffusers) or 2 (by what a\nplace shows)",
       .value = whole(of(&AddedGuidance::freeu_version), Range<int64_t>{1, 2}),
       .needs = has_freeu,
       .without = "belongs to --freeu",
       .key = {"freeu_version", "freeu"},
       .told_if_given = true,
       .infotext = {.key = "FreeU version", .after = "FreeU", .read_back = "freeu-version"}},
      {.names = "freeu-interval",
       .group = kGroup,
       .help = "Only in these steps, in fractions of all",
       .value = freeu_interval(),
       .needs = has_freeu,
       .without = "belongs to --freeu",
       .key = {"freeu_interval", "freeu_version"},
       .told_if_given = true,
       .infotext = {.key = "FreeU interval",
                    .after = "FreeU version",
                    .text = freeu_interval_text,
                    .read_back = "freeu-interval"}},
      {.names = "dynamic-threshold",
       .synonyms = "mimic_scale,dynthresh",
       .group = kGroup,
       .help =
           "Guide by --scale, with the contrast of this scale;\npercentile: of the values, above "
           "which they are cut off",
       .value = dynamic_threshold(),
       .key = {"dynamic_threshold", "freeu_interval"},
       .told_if_given = true,
       .infotext = {.key = "Mimic scale",
                    .after = "FreeU interval",
                    .text = threshold_text,
                    .read_back = "dynamic-threshold"}},
      {.names = "apg",
       .group = kGroup,
       .help =
           "Adaptive projected guidance: what is parallel to the\nprompt's own prediction counts "
           "ETA (0 to 1)",
       .value = apg(),
       .key = {"apg", "dynamic_threshold"},
       .told_if_given = true,
       .infotext = {.key = "APG", .after = "Mimic scale", .text = apg_text, .read_back = "apg"}},
      {.names = "nag",
       .synonyms = "nag_scale",
       .group = kGroup,
       .help = "Negative prompts where --scale is 1: push attention away\nfrom them by this scale "
               "(published: 5; 1: not at all)",
       .value = called("SCALE", number(of(&AddedGuidance::nag_scale), kNagScaleRange)),
       .key = {"nag", "apg"},
       .told_if_given = true,
       .infotext = {.key = "NAG scale", .after = "APG", .read_back = "nag"}},
      {.names = "nag-tau",
       .group = kGroup,
       .help = "How much longer it may make what attention gives",
       .value = called("TAU", number(of(&AddedGuidance::nag_tau), kTauRange)),
       .needs = has_nag,
       .without = "belongs to --nag",
       .key = {"nag_tau", "nag"},
       .told_if_given = true,
       .infotext = {.key = "NAG tau", .after = "NAG scale", .read_back = "nag-tau"}},
      {.names = "nag-alpha",
       .group = kGroup,
       .help = "How much of it counts, 0 to 1",
       .value = number(of(&AddedGuidance::nag_alpha), kShareRange),
       .needs = has_nag,
       .without = "belongs to --nag",
       .key = {"nag_alpha", "nag_tau"},
       .told_if_given = true,
       .infotext = {.key = "NAG alpha", .after = "NAG tau", .read_back = "nag-alpha"}},
  };
}

}  // namespace

std::vector<OptionRow> guidance_rows() {
  auto rows = perturbing_rows();
  for (auto& row : other_rows()) rows.push_back(std::move(row));
  return rows;
}

}  // namespace sd::cli
