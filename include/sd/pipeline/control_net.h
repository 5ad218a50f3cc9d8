#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>

#include "sd/core/control_net_settings.h"
#include "sd/weights/control_file.h"

namespace sd {

class ControlNetImpl;  // models/control_net.h
struct LoadedModel;    // pipeline/load.h
class T2IAdapterImpl;  // models/t2i_adapter.h

/// A ControlNet or a T2I-Adapter ready to be drawn with, for models of one family; immutable, may
/// be shared between requests.
struct LoadedControl {
  std::shared_ptr<ControlNetImpl> net;      // null: it is an adapter
  std::shared_ptr<T2IAdapterImpl> adapter;  // null: it is a net
  ControlKind kind = ControlKind::kControlNet;
  bool pools = false;     // as in ControlFile
  bool inpaints = false;  // likewise
  std::filesystem::path main_file;
};

/// Loads a net for this model, in the model's precision and on its device, where it stays. Of a
/// difference file and of a control-LoRA the rest comes from the model's own files. Throws IoError,
/// CheckpointError naming both families where they differ, OutOfMemory.
std::shared_ptr<const LoadedControl> load_control_net(const std::filesystem::path& path,
                                                      const LoadedModel& model);

/// One net and the picture it is shown, for all samples of a batch. Several add up.
struct ControlUse {
  std::shared_ptr<const LoadedControl> control;
  /// [1,3,H,W] as large as what is drawn: RGB from 0 to 1, −1 where pixels are hidden (inpainting).
  torch::Tensor picture;
  ControlStrength strength;
};

}  // namespace sd
