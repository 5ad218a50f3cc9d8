#include "cli/draw/invert.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cli/draw/added_inputs.h"
#include "cli/draw/draw.h"
#include "cli/draw/run_inversion.h"
#include "cli/plan/inversion_additions.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/progress_line.h"
#include "cli/shell/text_output.h"
#include "pipeline/encode.h"
#include "sd/core/model_hash.h"
#include "sd/core/sha256.h"
#include "sd/image/infotext.h"
#include "sd/image/write.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Peak signal-to-noise ratio of 8-bit pictures, in decibels; infinite for equal ones.
double psnr(const Image& one, const Image& other) {
  double squares = 0;
  for (std::size_t i = 0; i < one.pixels.size(); ++i) {
    const double difference = static_cast<double>(one.pixels[i]) - other.pixels[i];
    squares += difference * difference;
  }
  constexpr double kMost = 255;
  return 10 * std::log10(kMost * kMost * static_cast<double>(one.pixels.size()) / squares);
}

/// A number, or null where it is infinite, which JSON has no word for.
Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string decibels(double value) {
  return std::isfinite(value) ? fmt::format("{:.2f} dB", value) : "no difference";
}

struct Reconstruction {
  Image picture;           // what drawing along the inversion makes of the source
  double psnr = 0;         // beside the picture
  double autoencoder = 0;  // the same of what the autoencoder alone makes of it
};

class Invert {
 public:
  Invert(const DrawPlan& plan, const InvertSettings& settings, KeptModel& kept)
      : plan_(plan),
        settings_(settings),
        progress_(wants_progress_line(plan.options.quiet)),
        picture_(sha256_file(plan.options.input.init_img.value())),
        inputs_(read_inputs(plan, [&](const std::string& text) { say(text); })),
        model_(kept.load(loading())),
        controls_(control_uses_of(plan.options.nets, inputs_,
                                  kept.load_controls(control_files(plan.options.nets)))),
        image_prompts_(image_prompts_of(model_, plan.options.image_prompts, inputs_)) {}

  ExitCode run() {
    const InterruptGuard guard;
    auto result = inverted();
    const bool began = result.inversion.method == InversionMethod::kNullText;
    write_inversion(settings_.out, file_of(result.inversion), /*overwrite=*/began);
    std::optional<Reconstruction> again;
    if (settings_.reconstruct) {
      again = reconstructed(result.inversion);
      write_picture(*settings_.reconstruct, again->picture);
    }
    progress_.clear();
    tell(result, again);
    return ExitCode::kDone;
  }

 private:
  LoadRequest loading() {
    auto request = load_request(plan_);
    request.on_progress = shown();
    return request;
  }

  ProgressCallback shown() {
    return [this](const Progress& progress) {
      RunProgress line;
      line.stage = progress;
      line.model = plan_.model_name;
      progress_.update(line);
      return !InterruptGuard::requested();
    };
  }

  void say(const std::string& text) {
    progress_.clear();
    if (!plan_.options.quiet) print_message(text);
  }

  InversionResult inverted() {
    auto request = inversion_request(plan_, inputs_, plan_.options.prompt);
    add_to(request);
    if (settings_.guidance) request.inversion_guidance = *settings_.guidance;
    request.on_progress = shown();
    if (settings_.resume && std::filesystem::exists(settings_.out))
      request.resume =
          std::make_shared<const Inversion>(inversion_of(read_inversion(settings_.out)));
    // What was there is known by now to be of the same picture, or nothing.
    request.on_partial = [this](const Inversion& partial) {
      write_inversion(settings_.out, file_of(named(partial)), /*overwrite=*/true);
    };
    auto noise = inversion_noise(plan_, model_);
    auto result = invert(model_, request, noise);
    result.inversion = named(std::move(result.inversion));
    return result;
  }

  /// What the model has beside it, where the picture is inverted as where it is drawn again.
  void add_to(DrawSettings& request) const {
    request.controls = controls_;
    request.image_prompts = image_prompts_;
  }

  /// With what it is an inversion of.
  Inversion named(Inversion inversion) const {
    inversion.picture = picture_;
    inversion.model = model_sha256(model_.main_file);
    inversion.model_name = plan_.model_name;
    inversion.networks = kept_networks(plan_.networks);
    inversion.controls = kept_controls(plan_.options);
    inversion.image_prompts = kept_image_prompts(plan_.options);
    return inversion;
  }

  /// The source of a swap that changes nothing, drawn along the inversion.
  Reconstruction reconstructed(const Inversion& inversion) {
    const auto& options = plan_.options;
    DrawRequest request;
    static_cast<PictureSettings&>(request) = options;
    add_to(request);
    request.sampler = options.chosen_sampler();
    request.targets = {{inversion.prompt}};
    request.source = {inversion.prompt};
    request.prompt_chunks = plan_.reader->chunks();
    request.embeddings = plan_.embeddings.words;
    request.inversion = std::make_shared<const Inversion>(inversion);
    request.decode = false;
    request.on_progress = shown();
    auto noise = inversion_noise(plan_, model_);
    const auto latents = draw(model_, request, noise).latents.narrow(0, 1, 1);
    const auto& original = inputs_.picture->picture;
    auto picture = decoded(latents);
    const double kept = psnr(picture, original);
    return {std::move(picture), kept,
            psnr(decoded(inversion.picture_latents().unsqueeze(0)), original)};
  }

  Image decoded(const torch::Tensor& latents) const {
    const c10::InferenceMode inference;
    return std::move(decode_latents(model_, latents, [](int64_t) {}).front());
  }

  void tell(const InversionResult& result, const std::optional<Reconstruction>& again) const {
    const auto& inversion = result.inversion;
    if (plan_.options.json) {
      StandardOutput().line(json_line_of(
          "inverted", {{"path", settings_.out.string()},
                       {"method", name_of(inversion.method)},
                       {"prompt", inversion.prompt},
                       {"sampler", info_of(inversion.sampler).name},
                       {"steps", inversion.steps},
                       {"steps_kept", inversion.steps_kept()},
                       {"guidance", inversion.guidance},
                       {"width", plan_.width()},
                       {"height", plan_.height()},
                       {"unet_calls", result.timing.unet_calls},
                       {"seconds", result.timing.sample},
                       {"reconstruction", again ? Json(settings_.reconstruct->string()) : Json()},
                       {"psnr", again ? finite_or_null(again->psnr) : Json()},
                       {"autoencoder_psnr", again ? finite_or_null(again->autoencoder) : Json()}}));
      return;
    }
    StandardOutput output;
    output.line(settings_.out.string());
    if (!again) return;
    output.line(settings_.reconstruct->string());
    if (plan_.options.quiet) return;
    print_message(fmt::format("{} inversion keeps the picture to {} (the autoencoder alone: {})",
                              name_of(inversion.method), decibels(again->psnr),
                              decibels(again->autoencoder)));
  }

  const DrawPlan& plan_;
  const InvertSettings& settings_;
  ProgressLine progress_;
  const std::string picture_;  // its hash
  const RunInputs inputs_;
  const LoadedModel& model_;
  const std::vector<ControlUse> controls_;
  const std::vector<std::shared_ptr<const ImagePrompt>> image_prompts_;
};

}  // namespace

ExitCode invert_plan(const DrawPlan& plan, const InvertSettings& settings, KeptModel& kept) {
  remember_need(plan.memory);
  return Invert(plan, settings, kept).run();
}

}  // namespace sd::cli
