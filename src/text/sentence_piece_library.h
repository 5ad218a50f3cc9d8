#pragma once

#include "text/sentence_piece_module.h"

namespace sd {

/// Opens libsd_sentencepiece.so, once; it stays open. Throws Error naming the file if it cannot be
/// found.
const SentencePieceModule& sentence_piece_library();

}  // namespace sd
