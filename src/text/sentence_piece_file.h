#pragma once

#include <string>
#include <string_view>

namespace sd {

/// Checks what libsentencepiece takes on trust in a spiece.model (a protobuf message
/// `sentencepiece.ModelProto`): that it is whole, its pieces are texts, their scores numbers, and
/// its table of character replacements leads nowhere outside itself. Throws CheckpointError that
/// begins with `label`.
void check_sentence_piece_file(std::string_view bytes, const std::string& label);

}  // namespace sd
