#include "cli/plan/model_fit.h"

#include <fmt/format.h>

#include "cli/options/draw_limits.h"
#include "cli/plan/inversion_plan.h"
#include "sd/core/error.h"
#include "sd/image/infotext.h"

namespace sd::cli {
namespace {

constexpr double kDefaultImgScale = 1.5;  // InstructPix2Pix's own (arXiv:2211.09800)

/// Models that are shown the picture by channels of their own begin with noise, as they were
/// published; an inpainting model that is given no mask is shown nothing.
double default_strength(const DrawOptions& options, UNetExtra extra) {
  if (options.inversion.method) return usual_depth(*options.inversion.method);
  // A graded mask says itself how much of the picture stays.
  if (options.input.mask_mode == MaskMode::kGraded) return 1.0;
  const bool shown = extra == UNetExtra::kPicture ||
                     (extra == UNetExtra::kMaskedPicture && options.input.init_mask);
  return shown ? 1.0 : kDefaultStrength;
}

}  // namespace

PictureInput fitted_input(const DrawOptions& options, const ModelConfig& config,
                          const std::string& model) {
  if (config.latent_channels() != options.C || config.vae.factor() != options.f) {
    throw UsageError(fmt::format(
        "{} has latents of {} channels for {} pixels a side, expected --C {} and --f {}", model,
        config.latent_channels(), config.vae.factor(), options.C, options.f));
  }
  auto input = options.input;
  const auto extra = config.extra();
  if (extra == UNetExtra::kPicture) {
    if (!input.init_img) {
      throw UsageError(fmt::format(
          "{} is an InstructPix2Pix model, which changes pictures\nGive it one: sd img2img "
          "--init-img PICTURE --prompt \"what to change\", or sd swap with --init-img.",
          model));
    }
    input.img_scale = input.img_scale.value_or(kDefaultImgScale);
  } else if (input.img_scale) {
    throw UsageError(fmt::format(
        "--img-scale: belongs to InstructPix2Pix, which {} is not\nLeave it out; --strength says "
        "how much of the picture stays.",
        model));
  }
  // How far a picture was inverted, the file of it knows.
  if (input.init_img && !options.inversion.file)
    input.strength = input.strength.value_or(default_strength(options, extra));
  return input;
}

int64_t checked_default_side(int64_t pixels, const std::string& model) {
  if (pixels >= kSideStep && pixels <= kSideRange.most && pixels % kSideStep == 0) return pixels;
  throw UsageError(fmt::format(
      "{} was trained for pictures of {} pixels a side, which is no multiple of {} up to {}\nSay "
      "how large with --H and --W.",
      model, pixels, kSideStep, kSideRange.most));
}

std::string no_step_notice(const PictureInput& input, int64_t steps) {
  const auto runs = [](double part, int64_t of) {
    return static_cast<int64_t>(part * static_cast<double>(of)) > 0;
  };
  const double strength = input.strength.value_or(0);
  if (strength == 0 || runs(strength, steps)) return {};
  constexpr double kThousandths = 1000;
  int64_t thousandths = 1, more = steps;
  while (!runs(static_cast<double>(thousandths) / kThousandths, steps)) ++thousandths;
  while (more <= kStepsRange.most && !runs(strength, more)) ++more;
  return fmt::format(
      "--strength {} of {} steps is int({} * {}) = 0 steps: nothing is drawn, the picture only "
      "goes once through the autoencoder\nA step is drawn from --strength {} on{}.",
      number_text(strength), steps, number_text(strength), steps,
      number_text(static_cast<double>(thousandths) / kThousandths),
      more <= kStepsRange.most ? fmt::format(", or from --steps {}", more) : "");
}

std::string prediction_notice(Prediction assumed, const std::string& model) {
  const bool velocity = assumed == Prediction::kVelocity;
  return fmt::format(
      "{}: its weights do not say what the UNet predicts; {} is assumed "
      "(--prediction {} if pictures come out as noise)",
      model, velocity ? "v" : "eps", velocity ? "eps" : "v");
}

}  // namespace sd::cli
