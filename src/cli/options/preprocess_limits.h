#pragma once

#include <cstdint>
#include <limits>

#include "cli/options/option_values.h"

namespace sd::cli {

// What a preprocessor's settings may be.
inline constexpr Range<int64_t> kCannyRange{0, 10'000};
inline constexpr Range<int64_t> kByteRange{0, 255};
inline constexpr Range<double> kRateRange{1.0, 64.0};
inline constexpr Range<double> kSigmaRange{0.01, 1000.0};
inline constexpr Range<int64_t> kShuffleSeedRange{0, std::numeric_limits<uint32_t>::max()};
inline constexpr Range<int64_t> kCellRange{1, 10'000};

}  // namespace sd::cli
