#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "weights/pickle_value.h"

namespace sd::pickle {

/// Limits of one pickle. Those of SD v1 checkpoints hold some 20,000 values; with optimizer states
/// some 100,000.
inline constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxValues = 2'000'000;  // values made, and entries of stack and memo
inline constexpr std::size_t kMaxDepth = 10'000;      // open MARKs
inline constexpr std::size_t kMaxDimensions = 16;     // of one tensor
inline constexpr std::size_t kMaxForeign = 10'000;    // names of classes that are not known

/// Reads a pickle of protocols 2 to 5 as data. Opcodes that build plain values are carried out.
/// Calls have an effect only if classify() knows the callable (tensors, parameters, OrderedDict,
/// torch.Size); every other call gives a Placeholder. No Python object is made and nothing is run.
/// Time and memory grow with the pickle's length. Throws CheckpointError beginning with `label` for
/// opcodes that honest checkpoints do not use, for damaged pickles, and beyond the limits. Throws
/// it also where a Python program that loads the pickle would run something that is not known to
/// make data only, such as os.system; the message names that (see pickle_trust.h).
Document read(std::span<const std::byte> pickle, const std::string& label);

/// The same for one of several pickles in a row, which begins at byte `position` of `file`;
/// `position` is moved behind it.
Document read_next(std::span<const std::byte> file, uint64_t& position, const std::string& label);

}  // namespace sd::pickle
