#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "cli/record/picture_record.h"
#include "sd/text/embedded_words.h"

namespace sd::cli {

/// The learnt words that a run's prompts use.
struct PlanEmbeddings {
  std::vector<UsedEmbedding> used;
  std::shared_ptr<const EmbeddedWords> words;  // null: the prompts use none

  /// What the prompts are read with, but for their syntax.
  std::shared_ptr<const Tokenizer> tokenizer(const InspectedModel& model) const;
};

/// Finds which of the embeddings that --embedding names, and of those in the folders
/// (embedding_folders), stand in the prompts, and reads these alone. What is given and stands in
/// none is told to `say`. Throws IoError for a file that is not there, CheckpointError for one that
/// is no embedding or another family's, UsageError for names that cannot be told apart.
PlanEmbeddings plan_embeddings(const DrawOptions& options, const std::vector<std::string>& prompts,
                               const InspectedModel& model, const Say& say);

}  // namespace sd::cli
