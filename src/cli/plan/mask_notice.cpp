#include "cli/plan/mask_notice.h"

#include <fmt/format.h>

namespace sd::cli {
namespace {

constexpr int kHardlyWhite = 255 / 4;

}  // namespace

std::vector<std::string> mask_notices(const FittedMask& mask) {
  std::vector<std::string> notices;
  if (mask.source == MaskSource::kPainted) {
    notices.emplace_back(
        "its alpha channel is the mask: what is painted in it (opaque) is drawn anew");
  } else if (mask.source == MaskSource::kErased) {
    notices.emplace_back(
        "its alpha channel is the mask: what is erased in it (transparent) is drawn anew");
  }
  if (mask.brightest > kHardlyWhite) return notices;
  const bool zeros_and_ones = mask.brightest == 1 && mask.source == MaskSource::kLuminance;
  notices.push_back(fmt::format(
      "hardly any white in it: its brightest pixel is {} of 255, and white is what is drawn anew{}",
      mask.brightest,
      zeros_and_ones ? "; it seems to hold zeros and ones: multiply them by 255" : ""));
  return notices;
}

}  // namespace sd::cli
