#include "sd/pipeline/load.h"

#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "pipeline/device.h"
#include "pipeline/guard.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/inspect.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/open.h"

namespace sd {
LoadedModel load_model(const LoadRequest& request) {
  return guard_torch("loading the model", [&] {
    const c10::InferenceMode inference;
    set_threads(request.threads);
    const auto device = resolve_device(request.device);
    const auto precision = resolve_precision(request.dtype, device);

    auto opened = open_model(request.checkpoint);
    LoadedModel loaded;
    loaded.config = settle_config(opened, {request.checkpoint, request.config});
    loaded.tokenizer = make_tokenizer(loaded.config.text);
    loaded.main_file = opened.main_file;
    loaded.format = opened.format;
    loaded.device = device.str();
    loaded.dtype = precision.name;
    if (request.ema || loaded.config.use_ema) {
      opened.tensors = with_ema_weights(std::move(opened.tensors));
    }

    LatentDiffusion model(loaded.config);
    LoadOptions options;
    options.device = device;
    options.dtype = precision.weights;
    options.on_tensor = [&](int64_t done, int64_t total) {
      return !request.on_progress || request.on_progress({Progress::Stage::kLoad, done, total});
    };
    load_weights(parameter_slots(*model), *opened.tensors, options);
    loaded.model = model.ptr();
    loaded.compute_dtype = precision.compute;
    return loaded;
  });
}

}  // namespace sd
