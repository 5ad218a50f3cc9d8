#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/inversion_method.h"
#include "trainer/edit_measures.h"
#include "trainer/eval_context.h"

namespace sd::train {

/// What edits a picture beside its inversion.
enum class Editor {
  kPrompt,    // the target's prompt alone
  kSwap,      // Prompt-to-Prompt's attention from the source, as published
  kBlend,     // the same with a local blend and the old object's box (eval_swap.h)
  kMasaCtrl,  // arXiv:2304.08465
  kPlugPlay,  // arXiv:2211.12572
};

/// "prompt", "swap", "blend", "masactrl", "pnp".
std::string_view name_of(Editor editor);

/// A way to edit a picture.
struct EditMethod {
  /// Absent: the source is drawn from noise with its prompt, and the edit is held against that
  /// picture, as `sd swap` does without one.
  std::optional<InversionMethod> inversion;
  Editor editor = Editor::kSwap;

  std::string name() const;  // "direct + blend", "from noise + swap"
};

/// Every inversion with every editor that fits it, those from noise first. Null-text optimisation
/// comes with the blend alone: it takes a hundred times as long as the others.
std::vector<EditMethod> edit_methods();
/// Those whose names are given, between commas. Throws UsageError for a name that is none.
std::vector<EditMethod> edit_methods(const std::string& names);

/// Over all scenes: means with standard errors.
struct EditScores {
  EditMethod method;
  Mean psnr, ssim, mse;  // outside the object's box, widened, beside the picture that was edited
  Mean changed;          // 1 where the largest object found is of the target's kind
  Mean in_place;         // 1 where it is and its box meets the old one's by 0.6
  Mean overlap;          // of those boxes, intersection over union
  Mean seconds, unet_calls;
  double megabytes = 0;  // the most memory while editing, beyond what the model takes
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
