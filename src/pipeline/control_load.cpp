#include <ATen/ops/mm.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "nn/gpu.h"
#include "pipeline/guard.h"
#include "sd/core/mapped_file.h"
#include "sd/models/control_net.h"
#include "sd/models/t2i_adapter.h"
#include "sd/pipeline/control_net.h"
#include "sd/pipeline/load.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/open.h"

namespace sd {
namespace {

constexpr const char* kUNet = "model.diffusion_model.";

torch::Tensor values_of(const TensorSource& tensors, const std::string& name) {
  return wrap_tensor(tensors.at(name)).to(at::kFloat);
}

/// The weights of a net that is given as what it adds to the model's UNet.
class OverUNet {
 public:
  OverUNet(const ControlFile& net, const LoadedModel& model) : net_(net), base_(open_base(model)) {}

  torch::Tensor at(const ParameterSlot& slot) const {
    const auto own = kUNet + slot.name;
    const bool has_base = base_->contains(own);
    if (net_.kind == ControlKind::kDifference) {
      const auto difference = values_of(*net_.tensors, slot.name);
      return has_base ? difference + latents_of(slot, own) : difference;
    }
    if (net_.tensors->contains(slot.name)) return values_of(*net_.tensors, slot.name);
    const auto base = latents_of(slot, own);
    const auto stem = slot.name.substr(0, slot.name.rfind('.') + 1);
    if (!slot.name.ends_with(".weight") || !net_.tensors->contains(stem + "up")) return base;
    const auto up = values_of(*net_.tensors, stem + "up").flatten(1);
    const auto down = values_of(*net_.tensors, stem + "down").flatten(1);
    return base + at::mm(up, down).reshape(slot.shape);
  }

 private:
  static std::unique_ptr<TensorSource> open_base(const LoadedModel& model) {
    auto opened = open_model(model.files.checkpoint, model.files.separate);
    return model.uses_ema ? with_ema_weights(std::move(opened.tensors)) : std::move(opened.tensors);
  }

  /// The UNet's own tensor; of the first convolution of a model that is shown more than latents,
  /// what it does with those.
  torch::Tensor latents_of(const ParameterSlot& slot, const std::string& own) const {
    const auto base = values_of(*base_, own);
    if (base.dim() < 2 || slot.shape.size() < 2 || base.size(1) <= slot.shape[1]) return base;
    return base.narrow(1, 0, slot.shape[1]);
  }

  const ControlFile& net_;
  std::unique_ptr<TensorSource> base_;
};

LoadOptions options_for(const LoadedModel& model) {
  LoadOptions options;
  options.device = torch::Device(model.device);
  options.dtype = model.weights_dtype;
  options.late = options.device.is_cpu();
  options.channels_last = !options.device.is_cpu() && model.compute_dtype != torch::kFloat;
  return options;
}

void load_over_unet(const std::vector<ParameterSlot>& slots, const ControlFile& file,
                    const LoadedModel& model, const LoadOptions& options) {
  const OverUNet weights(file, model);
  for (const auto& slot : slots) {
    auto value = weights.at(slot).to(options.device, options.dtype);
    if (options.channels_last && value.dim() == 4)
      value = value.contiguous(at::MemoryFormat::ChannelsLast);
    slot.bind(value.is_contiguous() || options.channels_last ? value : value.contiguous());
  }
}

std::shared_ptr<const LoadedControl> load_watched(const std::filesystem::path& path,
                                                  const LoadedModel& model) {
  const c10::InferenceMode inference;
  const c10::DeviceGuard current{torch::Device(model.device)};
  const auto file = open_control(path);
  require_fitting(file, model.config, model.files.checkpoint.string());
  const auto options = options_for(model);
  auto loaded = std::make_shared<LoadedControl>();
  loaded->kind = file.kind;
  loaded->pools = file.pools;
  loaded->inpaints = file.inpaints;
  loaded->main_file = file.main_file;
  if (file.kind == ControlKind::kT2IAdapter) {
    T2IAdapter adapter(adapter_config(*file.tensors, model.config.unet.channel_mult.size()));
    load_weights(parameter_slots(*adapter), *file.tensors, options);
    loaded->adapter = adapter.ptr();
    return loaded;
  }
  ControlNet net(model.config.unet);
  const auto slots = parameter_slots(*net);
  if (file.kind == ControlKind::kControlNet) {
    load_weights(slots, *file.tensors, options);
  } else {
    load_over_unet(slots, file, model, options);
  }
  loaded->net = net.ptr();
  return loaded;
}

}  // namespace

std::shared_ptr<const LoadedControl> load_control_net(const std::filesystem::path& path,
                                                      const LoadedModel& model) {
  return with_files_unchanged([&] {
    return guard_torch("loading a control net", [&] { return load_watched(path, model); });
  });
}

}  // namespace sd
