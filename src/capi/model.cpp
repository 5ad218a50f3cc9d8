// Models of the C interface, and what belongs to no handle.
#include <fmt/format.h>

#include "capi/call.h"
#include "capi/handles.h"

namespace sd::capi {
namespace {

DTypeChoice dtype_of(const char* text) {
  const std::string name = text == nullptr ? "auto" : text;
  if (name == "auto") return DTypeChoice::kAuto;
  if (name == "f32") return DTypeChoice::kF32;
  if (name == "bf16") return DTypeChoice::kBF16;
  if (name == "f16") return DTypeChoice::kF16;
  throw UsageError(
      fmt::format("sd_load_options.dtype: '{}' is unknown, expected auto, f32, bf16 or f16", name));
}

WeightsChoice weights_of(const char* text) {
  const std::string name = text == nullptr ? "auto" : text;
  if (name == "auto") return WeightsChoice::kAuto;
  if (name == "int8") return WeightsChoice::kInt8;
  throw UsageError(
      fmt::format("sd_load_options.weights: '{}' is unknown, expected auto or int8", name));
}

LoadRequest request_of(const sd_load_options& options) {
  LoadRequest request;
  request.checkpoint = text_of(options.checkpoint, "sd_load_options.checkpoint");
  if (options.config != nullptr) request.config = options.config;
  request.device = parse_device(options.device == nullptr ? "auto" : options.device);
  request.dtype = dtype_of(options.dtype);
  request.weights = weights_of(options.weights);
  request.exact_convolutions = options.exact_conv != 0;
  request.low_memory = options.low_memory != 0;
  if (options.threads < 0) {
    throw UsageError(
        fmt::format("sd_load_options.threads is {}, expected 0 or more", options.threads));
  }
  request.threads = options.threads;
  request.ema = options.ema != 0;
  request.on_progress = progress_of(options.on_progress, options.user);
  return request;
}

}  // namespace

ProgressCallback progress_of(sd_progress on_progress, void* user) {
  static_assert(static_cast<int>(Progress::Stage::kLoad) == SD_STAGE_LOAD &&
                static_cast<int>(Progress::Stage::kEncode) == SD_STAGE_ENCODE &&
                static_cast<int>(Progress::Stage::kSample) == SD_STAGE_SAMPLE &&
                static_cast<int>(Progress::Stage::kDecode) == SD_STAGE_DECODE);
  if (on_progress == nullptr) return nullptr;
  return [=](const Progress& at) {
    return on_progress(user, static_cast<int>(at.stage), at.done, at.total) == 0;
  };
}

}  // namespace sd::capi

extern "C" const char* sd_error() { return sd::capi::error_text(); }

extern "C" const char* sd_version() { return SD_VERSION; }

extern "C" int sd_load(const sd_load_options* options, sd_model** model) {
  return sd::capi::call([&] {
    sd::capi::require(model, "model");
    *model = nullptr;
    const auto request = sd::capi::request_of(sd::capi::checked(options, "sd_load_options"));
    *model = new sd_model{std::make_shared<sd::capi::SharedModel>(sd::load_model(request))};
  });
}

extern "C" void sd_model_free(sd_model* model) { delete model; }

extern "C" int64_t sd_model_side(const sd_model* model) {
  return model == nullptr ? 0 : model->shared->model().config.default_pixels();
}
