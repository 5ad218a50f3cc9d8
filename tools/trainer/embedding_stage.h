#pragma once

#include "trainer/adapter_settings.h"
#include "trainer/run_context.h"

namespace sd::train {

/// Trains vectors that stand for a word (textual inversion, arXiv:2208.01618, section 3) and writes
/// them as one tensor [vectors,width] that is called as the word. Returns false if the user stopped
/// it; the same call goes on then. Throws as train_adapter and load_frozen, UsageError where a
/// caption lacks the word.
bool train_embedding(const RunContext& run, const EmbeddingSettings& settings);

}  // namespace sd::train
