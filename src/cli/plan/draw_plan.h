#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "cli/plan/plan_embeddings.h"
#include "cli/plan/run_networks.h"
#include "cli/plan/run_prompts.h"
#include "cli/plan/run_regions.h"
#include "cli/shell/memory_words.h"
#include "sd/text/prompt_reader.h"
#include "sd/weights/inversion_file.h"

namespace sd::cli {

/// A drawing command whose questions are all answered: what the drawing half needs to know before a
/// model is loaded. Made by make_plan, const from there on. Torch-free.
struct DrawPlan {
  /// The options as typed, and what they left open: the seed, the size, `dtype`, the sampler, the
  /// folders, the targets of a swap, the strength, what an inversion decides, what blending and
  /// injection do by default, the prediction, the configuration beside the weights, and whether
  /// there is a grid.
  DrawOptions options;
  std::optional<TaskPlace> place;
  std::shared_ptr<const InspectedModel> model;
  std::string model_name;  // "v1-5-pruned-emaonly"
  RunPrompts prompts;
  RunRegions regions;
  /// With the prompts of regions, where there are any: as they are drawn, and as words are looked
  /// for in them.
  std::optional<RunPrompts> composed, watched;
  PlanEmbeddings embeddings;
  RunNetworks networks;                            // LoRAs
  std::shared_ptr<const InversionFile> inversion;  // of --inversion; null: none was given
  std::shared_ptr<const PromptReader> reader;      // reads them all, by the syntax of the run
  std::size_t together = 1;                        // samples that are drawn at a time
  int64_t samples = 0;                             // of the run, also where one alone is drawn
  int64_t pictures = 0;                            // that are drawn, sources not counted
  MemoryNeed memory;

  /// Whether it is the plan of cells' common batches (grid_cells.h): samples then have options of
  /// their own.
  bool is_shared() const { return prompts.sets.front().own != nullptr; }
  int64_t width() const { return options.W.value(); }
  int64_t height() const { return options.H.value(); }
  const RunPrompts& drawn() const { return composed ? *composed : prompts; }
  const RunPrompts& looked_at() const { return watched ? *watched : prompts; }
  bool follows() const { return place && place->follows; }
  std::string label() const { return place ? place->label : std::string(); }
};

/// Settles what `typed` left open and checks all that needs no loaded model: sizes, contradictions,
/// that files are there, that words are in the prompts, that the model fits. Reads the prompts and
/// the headers of the model, changes nothing and prints nothing: what is to be said goes to
/// `context.say`, nothing of it where the options are quiet, and lines of a list that cannot be
/// drawn go to `context.refuse`. A list (--from-file) must be in `context.listed`. Throws
/// UsageError, IoError for a missing file, CheckpointError for a model that cannot be drawn from,
/// OutOfMemory where it cannot be held.
DrawPlan make_plan(const DrawOptions& typed, PlanContext& context);

}  // namespace sd::cli
