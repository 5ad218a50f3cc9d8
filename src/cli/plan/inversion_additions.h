#pragma once

#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/run_networks.h"
#include "sd/weights/inversion_file.h"

namespace sd::cli {

/// The LoRAs that a run has in every row and step, as an inversion keeps them. Throws IoError.
std::vector<InversionNetwork> kept_networks(const RunNetworks& networks);

/// The control nets of a run and the pictures that it follows, as an inversion keeps them: with
/// hashes of their files and of what they are shown. Throws IoError, CheckpointError.
std::vector<InversionAddition> kept_controls(const DrawOptions& options);
std::vector<InversionAddition> kept_image_prompts(const DrawOptions& options);

/// What a run has added to its model must be what the source's path was made with, by every method
/// but direct inversion: LoRAs always, control nets and pictures that are followed where the file
/// was made with any. Along one made with none they act in targets alone. `file`: that of
/// --inversion, or null. Throws UsageError, and as the above.
void check_additions(const DrawOptions& options, const RunNetworks& networks,
                     const InversionFile* file, InversionMethod method);

}  // namespace sd::cli
