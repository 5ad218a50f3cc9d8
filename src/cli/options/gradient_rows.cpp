// Guides by gradients through the UNet.
#include <nlohmann/json.hpp>

#include "cli/options/attn_lists.h"
#include "cli/options/guide_options.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

template <typename Field>
auto guided(Field GuideWords::*field) {
  return in(&DrawOptions::guides, field);
}

constexpr Range<double> kGuideScaleRange{0.0, 10'000.0};
constexpr Range<double> kBoxPartRange{0.01, 1.0};

bool excites(const DrawOptions& options) { return !options.guides.excite.empty(); }
bool has_boxes(const DrawOptions& options) { return !options.guides.boxes.empty(); }
bool by_box_diff(const DrawOptions& options) {
  return has_boxes(options) && options.guides.box_method == BoxMethod::kBoxDiff;
}
bool guides(const DrawOptions& options) { return options.guides.guides(); }

OptionValue boxes() {
  auto value = repeated("WORD=X0,Y0,X1,Y1", [](DrawOptions& options, const std::string& option,
                                               const std::string& text) {
    options.guides.boxes.push_back(parse_word_box(option, text));
  });
  value.tell = [](const DrawOptions& options) {
    Json json = Json::array();
    for (const auto& [word, box] : options.guides.boxes) {
      json.push_back({{"word", word}, {"box", {box.x0, box.y0, box.x1, box.y1}}});
    }
    return json;
  };
  value.is_set = values::set_in(guided(&GuideWords::boxes));
  return value;
}

OptionValue guide_res() {
  const auto field = guided(&GuideWords::guide_res);
  auto value = parsed("{8,16,32,64}",
                      [](DrawOptions& options, const std::string& option, const std::string& text) {
                        options.guides.guide_res = parse_guide_res(option, text);
                      });
  value.is_set = values::set_in(field);
  value.tell = [field](const DrawOptions& options) { return values::json_of(field(options)); };
  return value;
}

OptionValue box_scale() {
  const auto field = guided(&GuideWords::box_scale);
  auto value = number(field, kGuideScaleRange);
  value.tell = [](const DrawOptions& options) {
    const auto& guides = options.guides;
    return Json(guides.box_scale.value_or(published_box_scale(guides.box_method)));
  };
  return value;
}

}  // namespace

std::vector<OptionRow> gradient_rows() {
  constexpr const char* kGroup = "Attention control";
  return {
      {.names = "excite",
       .group = kGroup,
       .help = "Move the latents until each of these words is looked at\nsomewhere "
               "(Attend-and-Excite): \"cat,dog\"; at 50 steps\nin the first 25. It takes several "
               "times the time",
       .value = list(guided(&GuideWords::excite), parse_words),
       .key = {"guides.excite", "swap"},
       .told_where = excites},
      {.names = "excite-scale",
       .group = kGroup,
       .help = "How far, as published",
       .value = number(guided(&GuideWords::excite_scale), kGuideScaleRange),
       .key = {"guides.excite_scale"},
       .told_where = excites},
      {.names = "box",
       .group = kGroup,
       .help = "Move the latents until this word is looked at in a box\nalone: its edges in shares "
               "of the picture, from the left\nand from above. May be given again",
       .value = boxes(),
       .key = {"guides.boxes"},
       .told_where = has_boxes},
      {.names = "box-method",
       .group = kGroup,
       .help = "How: boxdiff (BoxDiff), which also asks for the box's\nedges, or backward (layout "
               "guidance by the way back)",
       .value = choice(guided(&GuideWords::box_method),
                       Choices<BoxMethod>{{"backward", BoxMethod::kBackward},
                                          {"boxdiff", BoxMethod::kBoxDiff}}),
       .key = {"guides.box_method"},
       .told_where = has_boxes},
      {.names = "box-scale",
       .group = kGroup,
       .help = "How far (as published: 20, backward 30)",
       .value = box_scale(),
       .key = {"guides.box_scale"},
       .told_where = has_boxes},
      {.names = "box-part",
       .group = kGroup,
       .help =
           "boxdiff: the share of a box's pixels that are to be\nlooked at (0.2 as published; 0.8 "
           "where latents have\nfewer than 32 a side), near 1 has things fill boxes",
       .value = number(guided(&GuideWords::box_part), kBoxPartRange),
       .key = {"guides.box_part"},
       .told_where = by_box_diff},
      {.names = "guide-res",
       .group = kGroup,
       .help = "--excite and --box look at layers of so many latent\npixels of 64, scaled with the "
               "latents (16, more where\nlatents are so small that it would be fewer than 12)",
       .value = guide_res(),
       .key = {"guides.res"},
       .told_where = guides},
  };
}

}  // namespace sd::cli
