#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "trainer/eval_edit.h"

namespace sd::train {
namespace {

/// "27.31 ± 0.12"
std::string with_error(const Mean& mean, int digits, double factor = 1) {
  return fmt::format("{:.{}f} ± {:.{}f}", factor * mean.value(), digits, factor * mean.error(),
                     digits);
}

nlohmann::ordered_json json_of(const Mean& mean) {
  return {{"mean", mean.value()}, {"standard_error", mean.error()}};
}

}  // namespace

std::string markdown_of(const EditReport& report) {
  auto text = fmt::format(
      "{} scenes; through the autoencoder alone {} dB outside the object.\n\n"
      "| inversion + editor | PSNR outside, dB | SSIM outside | MSE outside, 1e-4 | changed, % | "
      "in its place, % | overlap | structure distance, 1e-3 | UNet calls | CPU seconds | MB |\n"
      "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
      report.autoencoder.count(), with_error(report.autoencoder, 2));
  for (const auto& one : report.scores) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {:.0f} | {:.2f} | {:.0f} |\n",
                        one.method.name(), with_error(one.psnr, 2), with_error(one.ssim, 3),
                        with_error(one.mse, 1, 1e4), with_error(one.changed, 1, 100),
                        with_error(one.in_place, 1, 100), with_error(one.overlap, 3),
                        with_error(one.structure, 1, 1e3), one.unet_calls.value(),
                        one.seconds.value(), one.megabytes);
  }
  return text;
}

std::string json_of(const EditReport& report) {
  nlohmann::ordered_json json = {{"model", report.model},
                                 {"scenes", report.autoencoder.count()},
                                 {"autoencoder_psnr", json_of(report.autoencoder)}};
  for (const auto& one : report.scores) {
    json["methods"].push_back({{"method", one.method.name()},
                               {"psnr", json_of(one.psnr)},
                               {"ssim", json_of(one.ssim)},
                               {"mse", json_of(one.mse)},
                               {"changed", json_of(one.changed)},
                               {"in_place", json_of(one.in_place)},
                               {"overlap", json_of(one.overlap)},
                               {"structure_distance", json_of(one.structure)},
                               {"unet_calls", json_of(one.unet_calls)},
                               {"seconds", json_of(one.seconds)},
                               {"megabytes", one.megabytes}});
  }
  return json.dump(1) + "\n";
}

}  // namespace sd::train
