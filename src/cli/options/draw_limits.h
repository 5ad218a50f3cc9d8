#pragma once

#include <cstdint>
#include <limits>

#include "cli/options/option_values.h"

namespace sd::cli {

// What an option of a drawing command may be before any model is known.
inline constexpr int64_t kSideStep = 64;  // three halvings in the UNet below a factor of 8
inline constexpr Range<int64_t> kSideRange{1, 4096};
inline constexpr Range<int64_t> kStepsRange{1, 1000};  // the model's timesteps
inline constexpr Range<double> kEtaRange{0.0, 1.0};
inline constexpr Range<double> kStrengthRange{0.0, 1.0};
inline constexpr Range<double> kBlurRange{0.0, 1000.0};
inline constexpr Range<double> kGrowRange{0.0, 256.0};
inline constexpr Range<double> kMaskGrowRange{-256.0, 256.0};
inline constexpr Range<double> kThresholdRange{0.0, 1.0};
inline constexpr Range<double> kTokenMergingRange{0.0, 0.75};  // one of four pixels stays
inline constexpr Range<double> kTimestepRange{0.0, 1000.0};
inline constexpr Range<int64_t> kLatentSideRange{1, 64};
inline constexpr Range<double> kScaleRange{-1000.0, 1000.0};
inline constexpr Range<int64_t> kClipSkipRange{1, 64};
inline constexpr Range<int64_t> kPictureRange{0, std::numeric_limits<int32_t>::max()};
inline constexpr Range<int64_t> kSamplesRange{1, 256};
inline constexpr Range<int64_t> kIterRange{1, 1'000'000};
inline constexpr Range<int64_t> kRowsRange{0, 1000};
inline constexpr Range<int64_t> kChannelsRange{1, 64};
inline constexpr Range<int64_t> kFactorRange{1, 64};
inline constexpr Range<int64_t> kQualityRange{1, 100};
inline constexpr Range<int64_t> kEveryRange{1, 1000};  // steps
inline constexpr Range<int64_t> kThreadsRange{0, 1024};

}  // namespace sd::cli
