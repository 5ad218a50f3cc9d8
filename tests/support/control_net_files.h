#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/models/control_net.h"
#include "sd/pipeline/control_net.h"
#include "sd/weights/write_safetensors.h"
#include "support/family_model.h"
#include "support/temp_folder.h"

namespace sd::test {

using Tensors = std::vector<std::pair<std::string, torch::Tensor>>;

inline void write_tensors(const std::filesystem::path& path, const Tensors& tensors) {
  std::vector<NamedTensor> named;
  Tensors kept;
  for (const auto& [name, tensor] : tensors) kept.emplace_back(name, tensor.contiguous());
  for (const auto& [name, tensor] : kept) {
    TensorView view;
    view.dtype = DType::kF32;
    view.shape = tensor.sizes().vec();
    view.bytes = {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
    named.push_back({name, std::move(view)});
  }
  write_safetensors(path, named);
}

/// A ControlNet for a family, by cldm's names, drawn as the Python script draws one of that name.
inline Tensors net_tensors(TinyFamily family, const std::string& net) {
  Tensors tensors;
  ControlNet module(family_model(family).config.unet);
  for (const auto& slot : parameter_slots(*module))
    tensors.emplace_back(slot.name, drawn_weight(net + slot.name, slot.shape));
  return tensors;
}

/// Loads a net that a file of this name holds.
inline std::shared_ptr<const LoadedControl> load_tensors(TinyFamily family, const Tensors& tensors,
                                                         const char* name = "net.safetensors") {
  const TempFolder folder;
  write_tensors(folder / name, tensors);
  return load_control_net(folder / name, family_model(family));
}

}  // namespace sd::test
