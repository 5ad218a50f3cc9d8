// What an inversion keeps of a picture on a trained model: with random weights, decoded pictures
// say nothing.
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "pipeline/encode.h"
#include "sd/image/read.h"
#include "sd/pipeline/inversion.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

/// Peak signal-to-noise ratio of two pictures in [-1, 1], in decibels.
double psnr(const torch::Tensor& a, const torch::Tensor& b) {
  return 10 * std::log10(4 / (a.clamp(-1, 1) - b.clamp(-1, 1)).pow(2).mean().item<double>());
}

struct Kept {
  double psnr = 0;      // dB, of the decoded source and the picture
  double distance = 0;  // of its latents from the picture's, mean square
};

/// A picture of the demo model, inverted by null-text optimisation in the last five steps of ten,
/// which takes seconds.
class DemoInversion {
 public:
  DemoInversion() {
    LoadRequest load;
    load.checkpoint = std::filesystem::path(SD_SOURCE_DIR) / "models/demo";
    load.dtype = DTypeChoice::kF32;
    load.device = test::device_choice();
    model_ = load_model(load);
    request_.method = InversionMethod::kNullText;
    request_.prompt = "a cat on a blue background";
    request_.picture = to_tensor(
        read_image(std::filesystem::path(SD_SOURCE_DIR) / "assets/examples/edit-start.png"));
    request_.steps = 10;
    request_.depth = 0.5;
    request_.inversion_guidance = 7.5;
    SeededNoise noise(0, RngChoice::kCpu, torch::Device(model_.device));
    inversion_ = invert(model_, request_, noise).inversion;
  }

  /// The source alone along it, guided as it was optimised for.
  Kept drawn_by(InversionMethod method) const {
    auto inversion = inversion_;
    inversion.method = method;
    DrawRequest request;
    request.targets = {{request_.prompt}};
    request.source = {request_.prompt};
    request.steps = request_.steps;
    request.guidance_scale = request_.inversion_guidance;
    request.decode = false;
    request.inversion = std::make_shared<const Inversion>(inversion);
    SeededNoise noise(0, RngChoice::kCpu, torch::Device(model_.device));
    return kept_by(draw(model_, request, noise).latents[1]);
  }
  Kept autoencoder() const { return kept_by(inversion_.picture_latents()); }

 private:
  Kept kept_by(const torch::Tensor& latents) const {
    const c10::InferenceMode inference;
    const auto decoded = decode_to_tensor(model_, latents.unsqueeze(0).to(model_.device)).cpu();
    const auto apart = latents - inversion_.picture_latents();
    return {psnr(decoded, request_.picture), apart.square().mean().item<double>()};
  }

  LoadedModel model_;
  InversionRequest request_;
  Inversion inversion_;
};

TEST(DemoModel, NullTextOptimisationKeepsThePictureWithin12DecibelsOfTheAutoencoder) {
  const DemoInversion demo;
  const auto own = demo.autoencoder();
  const auto optimised = demo.drawn_by(InversionMethod::kNullText);
  const auto plain = demo.drawn_by(InversionMethod::kDdim);
  EXPECT_LT(optimised.distance, 0.5 * plain.distance);
  EXPECT_GT(optimised.psnr, own.psnr - 12);
  EXPECT_GT(optimised.psnr, plain.psnr + 3);
}

}  // namespace
}  // namespace sd
