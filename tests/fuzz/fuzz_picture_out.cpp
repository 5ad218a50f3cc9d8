// What is made of pictures: sizes, masks, labels, sheets, heat maps, files of every format and what
// they say of themselves. What was written is read back.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/image/encode.h"
#include "sd/image/fit.h"
#include "sd/image/heatmap.h"
#include "sd/image/image.h"
#include "sd/image/infotext.h"
#include "sd/image/label.h"
#include "sd/image/mask.h"
#include "sd/image/metadata.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"
#include "sd/image/terminal.h"

namespace {

using namespace sd;

/// Small; its number of channels and of bytes are now and then wrong.
Image take_image(FuzzedDataProvider& input, int64_t channels = 0) {
  Image image;
  image.width = input.ConsumeIntegralInRange<int64_t>(0, 20);
  image.height = input.ConsumeIntegralInRange<int64_t>(0, 20);
  image.channels = channels != 0 ? channels : input.PickValueInArray<int64_t>({1, 3, 4, 3, 1, 2});
  const auto bytes = static_cast<std::size_t>(image.width * image.height * image.channels);
  image.pixels = input.ConsumeBytes<uint8_t>(bytes);
  if (input.ConsumeIntegral<uint8_t>() != 0) image.pixels.resize(bytes);
  return image;
}

Filter take_filter(FuzzedDataProvider& input) {
  return input.PickValueInArray(
      {Filter::kBox, Filter::kBilinear, Filter::kBicubic, Filter::kLanczos});
}

void check_file(FuzzedDataProvider& input) {
  const Encoding encoding{
      input.PickValueInArray({FileFormat::kPng, FileFormat::kJpeg, FileFormat::kWebp}),
      input.ConsumeIntegralInRange<int64_t>(0, 101)};
  const auto image = take_image(input);
  std::vector<PngText> texts;
  if (input.ConsumeBool()) texts.push_back({"parameters", input.ConsumeRandomLengthString(500)});
  if (input.ConsumeBool()) texts.push_back({"sd", input.ConsumeRandomLengthString(500)});
  if (input.ConsumeBool())
    texts.push_back({input.ConsumeRandomLengthString(90), input.ConsumeRandomLengthString(50)});
  texts = texts_that_fit(encoding.format, std::move(texts));
  const auto file = encode_picture(image, encoding, texts);
  const auto metadata = parse_metadata(file);
  if (metadata.width != image.width || metadata.height != image.height) std::abort();
  const auto again = decode_image(file);
  if (encoding.format == FileFormat::kPng && again.pixels != image.pixels) std::abort();
}

void check_sizes(FuzzedDataProvider& input) {
  const auto image = take_image(input);
  const auto width = input.ConsumeIntegralInRange<int64_t>(-1, 40);
  const auto height = input.ConsumeIntegralInRange<int64_t>(-1, 40);
  const auto resized = resize(image, width, height, take_filter(input));
  if (resized.width != width || resized.height != height) std::abort();
  fit_size({input.ConsumeIntegral<int64_t>(), input.ConsumeIntegral<int64_t>()}, std::nullopt,
           input.ConsumeBool() ? std::optional(input.ConsumeIntegral<int64_t>()) : std::nullopt,
           input.ConsumeIntegralInRange<int64_t>(1, 64));
}

void check_masks(FuzzedDataProvider& input) {
  const auto original = take_image(input, 3);
  auto mask =
      fit_mask(take_image(input), {original.width, original.height}, take_filter(input)).mask;
  if (input.ConsumeBool()) mask = invert_mask(mask);
  mask = grow_mask(mask, input.ConsumeFloatingPointInRange<double>(-1, 9));
  mask = blur_mask(mask, input.ConsumeFloatingPointInRange<double>(-1, 9));
  const auto h = input.ConsumeIntegralInRange<int64_t>(0, 8),
             w = input.ConsumeIntegralInRange<int64_t>(0, 8);
  latent_mask(mask, h, w, input.ConsumeBool() ? MaskReduction::kBox : MaskReduction::kNearest);
  Image edited = original;
  for (auto& value : edited.pixels) value = static_cast<uint8_t>(~value);
  paste_outside(edited, original, mask);
}

void check_maps(FuzzedDataProvider& input) {
  const auto h = input.ConsumeIntegralInRange<int64_t>(0, 9),
             w = input.ConsumeIntegralInRange<int64_t>(0, 9);
  std::vector<float> map(static_cast<std::size_t>(h * w));
  for (auto& value : map) value = input.ConsumeFloatingPoint<float>();
  if (input.ConsumeIntegral<uint8_t>() == 1) map.push_back(0);
  const auto colours = input.PickValueInArray({Colormap::kTurbo, Colormap::kJet, Colormap::kGrey});
  for (const auto& values : {map, minmax(map), by_maximum(map)}) {
    const auto heat = colorize(values, h, w, colours);
    const auto threshold = input.ConsumeFloatingPointInRange<double>(-0.5, 1.5);
    area_above(values, threshold);
    const auto mask = threshold_mask(values, h, w, threshold);
    const auto found = map_statistics(values, h, w);
    if (!(found.centroid_x >= 0 && found.centroid_x <= 1)) std::abort();
    const double overlap = iou(mask, threshold_mask(values, h, w, 0.5));
    if (!(overlap >= 0 && overlap <= 1)) std::abort();
    area_matched_iou(values, mask);
    if (heat.channels == 3)
      overlay(heat, heat, input.ConsumeFloatingPointInRange<double>(-0.1, 1.1));
  }
  resize_map(map, h, w, input.ConsumeIntegralInRange<int64_t>(0, 20),
             input.ConsumeIntegralInRange<int64_t>(0, 20), take_filter(input));
}

Label take_label(FuzzedDataProvider& input) {
  Label label(input.ConsumeRandomLengthString(200));
  std::size_t at = 0;
  while (input.ConsumeBool() && at < label.text.size()) {
    const auto begin = input.ConsumeIntegralInRange<std::size_t>(at, label.text.size());
    at = input.ConsumeIntegralInRange<std::size_t>(begin, label.text.size());
    if (begin < at) label.marks.push_back({begin, at});
  }
  return label;
}

void check_sheets(FuzzedDataProvider& input) {
  const auto image = take_image(input);
  std::vector<LabelledImage> cells;
  for (auto count = input.ConsumeIntegralInRange<int>(0, 4); count > 0; --count)
    cells.push_back({input.ConsumeBool() ? image : Image{}, take_label(input)});
  const auto columns = input.ConsumeIntegralInRange<int64_t>(0, 4);
  SheetLabels labels;
  if (input.ConsumeBool()) {
    for (auto count = input.ConsumeIntegralInRange<int>(0, 3); count > 0; --count)
      labels.columns.push_back(take_label(input));
    for (auto count = input.ConsumeIntegralInRange<int>(0, 3); count > 0; --count)
      labels.rows.push_back(take_label(input));
  }
  const auto sheet = labelled_sheet(cells, columns, labels);
  captioned(sheet, take_label(input));
  with_key(sheet, input.ConsumeRandomLengthString(20), to_rgb(image),
           input.ConsumeRandomLengthString(20));
  make_grid({image, image, image}, columns);
}

void check_texts(FuzzedDataProvider& input) {
  auto image = take_image(input);
  const auto text = input.ConsumeRandomLengthString(100);
  const auto width = input.ConsumeIntegralInRange<int64_t>(-5, 300);
  if (text_width(shortened_text(text, width)) > std::max<int64_t>(width, 0)) std::abort();
  draw_text(image, input.ConsumeIntegralInRange<int64_t>(-30, 30),
            input.ConsumeIntegralInRange<int64_t>(-30, 30), text,
            {input.ConsumeIntegral<uint8_t>(), 0, 255});
  to_gray(image);
  to_rgb(image);
  terminal_picture(input.PickValueInArray({TerminalGraphics::kKitty, TerminalGraphics::kIterm,
                                           TerminalGraphics::kSixel}),
                   image, input.ConsumeIntegralInRange<int64_t>(0, 5));
}

void check_infotext(FuzzedDataProvider& input) {
  Infotext info{input.ConsumeRandomLengthString(100), input.ConsumeRandomLengthString(100), {}};
  while (input.ConsumeBool() && info.settings.size() < 9)
    info.settings.emplace_back(
        input.PickValueInArray({"Steps", "Seed", "Model", "Size", "Version"}),
        input.ConsumeRandomLengthString(30));
  parse_infotext(format_infotext(info));
  number_text(input.ConsumeFloatingPoint<double>());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider input(bytes, size);
  using Check = void (*)(FuzzedDataProvider&);
  const auto check =
      input.PickValueInArray<Check>({check_file, check_sizes, check_masks, check_maps, check_sheets,
                                     check_texts, check_infotext});
  try {
    check(input);
  } catch (const sd::UsageError&) {
  }
  return 0;
}
