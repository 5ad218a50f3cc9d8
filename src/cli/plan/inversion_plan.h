#pragma once

#include <memory>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "cli/plan/run_networks.h"
#include "cli/plan/run_prompts.h"
#include "sd/weights/inversion_file.h"

namespace sd::cli {

/// A swap's options with what its --inversion decides: the source's prompt, the size, and the
/// steps and the sampler where none were given.
struct OpenedInversion {
  DrawOptions options;
  std::shared_ptr<const InversionFile> file;  // null: none was given
};

/// Reads --inversion. Throws IoError, CheckpointError; UsageError where options contradict it: a
/// file of another picture than --init-img, another prompt, size or method, a --strength.
OpenedInversion open_inversion(const DrawOptions& typed);

/// How the picture of a swap is edited: as asked; where nothing is asked, in p2p mode and where
/// targets look at their source (RowSharingSettings::needs_source) by direct
/// inversion if neither --strength nor a mask nor a sampler with random numbers says otherwise,
/// else as img2img starts (null).
std::optional<InversionMethod> settled_inversion(const DrawOptions& options,
                                                 const ModelConfig& config, const Say& say);

/// How far towards noise a method inverts where --strength does not say: 0.64 of the steps for
/// edit-friendly inversion, as published, else all.
double usual_depth(InversionMethod method);

/// What of the rest of a swap's plan an inversion cannot be drawn with; `file`: that of
/// --inversion, or null. Throws UsageError.
void check_inversion(const DrawOptions& options, const RunPrompts& prompts,
                     const RunNetworks& networks, const InversionFile* file, const Say& say);

}  // namespace sd::cli
