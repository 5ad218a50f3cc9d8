#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sd/image/image.h"
#include "trainer/classifier.h"
#include "trainer/eval_pictures.h"
#include "trainer/scene_style.h"

namespace sd::train {

/// What is measured of the demo model with something beside it.
struct AdapterMeasurement {
  std::filesystem::path model, lora, embedding;  // one of the last two
  NewBackground background;                      // what the embedding's word is to stand for
  int64_t prompts = 100;                         // with one object, that training never saw
  std::function<bool()> stop_requested;          // Ctrl-C: Cancelled is thrown between batches
};

/// 100 pictures with a LoRA at one weight, or with and without an embedding.
struct MeasuredPictures {
  std::string name;     // "-1", "0", …; "without", "with"
  Share objects;        // the object was found
  Share backgrounds;    // the background has the colour that was asked for; none with a word
  double light = 0;     // luma of the frame, mean over pictures, in [0,255]
  Share darker;         // frames that have at most half the light that they have without
  double distance = 0;  // of the frame's colour from the word's, mean over pictures (CIE76)
};

/// Colour of a picture's outermost four pixels, mean over them.
Rgb frame_colour(const Image& picture);

/// Draws and measures: 25 DDIM steps, guidance 5, the same starts for each row. Throws as
/// load_model.
std::vector<MeasuredPictures> measure_adapter(const AdapterMeasurement& measurement,
                                              const SceneGenerator& scenes, Classifier& classifier);

/// A table in Markdown.
std::string table_of(const std::vector<MeasuredPictures>& rows, bool of_lora);

}  // namespace sd::train
