#include "sd/pipeline/load.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "nn/gpu.h"
#include "nn/kept_memory.h"
#include "pipeline/cuda_backend.h"
#include "pipeline/device.h"
#include "pipeline/guard.h"
#include "pipeline/model_parts.h"
#include "pipeline/network_layers.h"
#include "pipeline/recorded_unet.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/models/latent_diffusion.h"
#include "sd/models/taesd.h"
#include "sd/pipeline/inspect.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/open.h"

namespace sd {
namespace {

std::shared_ptr<TaesdImpl> load_taesd(const TensorSource& tensors, LoadOptions options) {
  const bool encodes = tensors.contains("encoder.layers.0.weight");
  Taesd taesd(encodes);
  options.on_tensor = nullptr;  // a hundredth of the model
  load_weights(parameter_slots(*taesd), tensors, options);
  return taesd.ptr();
}

/// Of the UNet all but its ends, where rounding would show.
void hold_in_8_bits(UNetImpl& unet, LayerSettings settings) {
  settings.int8_weights = true;
  for (const auto& item : unet.named_modules()) {
    const std::string_view name = item.key();
    const bool at_an_end =
        name.starts_with("time_embed.") || name == "input_blocks.0.0" || name == "out.2";
    if (auto* layer = dynamic_cast<LayerImpl*>(item.value().get()); layer && !at_an_end) {
      layer->set(settings);
    }
  }
}

void set_layers(LatentDiffusionImpl& model, const LoadRequest& request) {
  const LayerSettings settings{.exact_convolutions = request.exact_convolutions};
  for (const auto& item : model.named_modules()) {
    if (auto* layer = dynamic_cast<LayerImpl*>(item.value().get())) layer->set(settings);
  }
  if (request.weights == WeightsChoice::kInt8) hold_in_8_bits(*model.unet, settings);
}

void require_cpu(const LoadRequest& request, torch::Device device) {
  if (device.is_cpu()) return;
  if (request.weights == WeightsChoice::kInt8) {
    throw UsageError("--weights int8: is for a CPU\nGive --device cpu, or leave it out.");
  }
}

bool is_vae_slot(const ParameterSlot& slot) { return slot.name.starts_with("first_stage_model."); }

LoadedModel load_watched(const LoadRequest& request) {
  const c10::InferenceMode inference;
  set_threads(request.threads);
  const auto device = resolve_device(request.device);
  const auto precision = resolve_precision(request.dtype, device);
  require_cpu(request, device);
  const c10::DeviceGuard current(device);
  if (device.is_cuda()) set_cuda_arithmetic();
  if (device.is_cpu()) keep_tensor_memory();

  auto opened = open_model(request.checkpoint, request.separate);
  LoadedModel loaded;
  const auto settled = settle_config(opened, request.files());
  loaded.config = settled.config;
  loaded.tokenizer = make_tokenizer(loaded.config.text);
  loaded.prediction_assumed = settled.prediction_assumed;
  loaded.main_file = opened.main_file;
  loaded.vae_file = opened.replaced.vae_file;
  loaded.clip_file = opened.replaced.clip_file;
  loaded.format = opened.format;
  loaded.device = device.str();
  loaded.dtype = precision.name;
  loaded.files = request.files();
  loaded.uses_ema = request.ema || loaded.config.use_ema;
  loaded.weights_dtype = precision.weights;
  if (loaded.uses_ema) {
    opened.tensors = with_ema_weights(std::move(opened.tensors));
  }
  if (!request.networks.empty()) {
    opened.tensors = with_networks(std::move(opened.tensors), loaded.config, request.networks);
  }
  const std::shared_ptr<const TensorSource> tensors = std::move(opened.tensors);

  LatentDiffusion model(loaded.config);
  set_layers(*model, request);
  LoadOptions options;
  options.device = device;
  options.dtype = precision.weights;
  options.late = device.is_cpu();
  const bool own_kernels = device.is_cuda() && open_cuda_backend().empty();
  options.channels_last = own_kernels && precision.compute != torch::kFloat;
  if (own_kernels) {
    options.upload = [device](const torch::Tensor& values) {
      return gpu::uploaded(values, device);
    };
  }
  options.on_tensor = [&](int64_t done, int64_t total) {
    return !request.on_progress || request.on_progress({Progress::Stage::kLoad, done, total});
  };
  auto slots = parameter_slots(*model);
  if (opened.replaced.taesd) {
    loaded.taesd = load_taesd(*opened.replaced.taesd, options);
    // Where TAESD does both, the autoencoder is never called and stays without memory.
    if (loaded.taesd->encodes()) std::erase_if(slots, is_vae_slot);
  }
  using enum ModelParts::Policy;
  if (device.is_cpu() || request.low_memory || (request.in_background && own_kernels)) {
    const auto policy = request.low_memory ? kOneAtATime
                        : device.is_cpu()  ? kWorthwhile
                                           : kInBackground;
    loaded.parts = std::make_shared<ModelParts>(slots, tensors, options, policy);
  } else {
    load_weights(slots, *tensors, options);
  }
  loaded.model = model.ptr();
  loaded.layers =
      std::make_shared<NetworkLayers>(*model, tensors, loaded.config, device, precision.compute);
  if (own_kernels && !request.low_memory && records_evaluations())
    loaded.recorded = std::make_shared<RecordedUNet>(*model->unet);
  loaded.compute_dtype = precision.compute;
  return loaded;
}

}  // namespace

LoadedModel load_model(const LoadRequest& request) {
  return with_files_unchanged(
      [&] { return guard_torch("loading the model", [&] { return load_watched(request); }); });
}

LoadedModel load_model(const std::filesystem::path& checkpoint) {
  LoadRequest request;
  request.checkpoint = checkpoint;
  return load_model(request);
}

}  // namespace sd
