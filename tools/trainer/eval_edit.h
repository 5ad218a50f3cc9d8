#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/edit_measures.h"
#include "trainer/edit_run.h"
#include "trainer/eval_context.h"

namespace sd::train {

/// Over all scenes: means with standard errors.
struct EditScores {
  EditMethod method;
  Mean psnr, ssim, mse;  // outside the object's box, widened, beside the picture that was edited
  Mean changed;          // 1 where the largest object found is of the target's kind
  Mean in_place;         // 1 where it is and its box meets the old one's by 0.6
  Mean overlap;          // of those boxes, intersection over union
  Mean structure;        // structure_distance
  Mean seconds, unet_calls;
  double megabytes = 0;  // the most memory that one edit took beyond what was held before
};

struct EditReport {
  std::string model;
  Mean autoencoder;  // PSNR of the pictures through the autoencoder alone, over the same pixels
  std::vector<EditScores> scores;
};

/// Edits `n` scenes that no training saw, whose object becomes another one, with each method, and
/// writes into `folder`: edits.md, edits.json, and a sheet for each method. Throws IoError,
/// Cancelled.
EditReport measure_edits(const EvalContext& context, const std::string& model, int64_t n,
                         const std::vector<EditMethod>& methods,
                         const std::filesystem::path& folder);

/// The table of docs/editing.md.
std::string markdown_of(const EditReport& report);
std::string json_of(const EditReport& report);

}  // namespace sd::train
