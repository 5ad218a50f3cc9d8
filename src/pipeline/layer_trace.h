#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nn/layer_profile.h"
#include "sd/pipeline/load.h"

namespace sd {

/// Notes when layers run, from its making on, and the parts of a picture that they run in.
class LayerTrace {
 public:
  using Time = LayerEvent::Clock::time_point;

  /// A part that has ended: "unet", "vae".
  void add_part(const std::string& name, Time begin, Time end);

  /// Writes what was noted as a Chrome trace (chrome://tracing, ui.perfetto.dev): events of phase
  /// "X", a layer's named after its module as checkpoints name it, with its kind as the category
  /// and the input's shape and FLOPs beside. Nothing is overwritten. Throws IoError.
  void write(const std::filesystem::path& path, const LoadedModel& model) const;

 private:
  struct Part {
    std::string name;
    Time begin, end;
  };
  std::vector<Part> parts_;
  LayerProfile profile_;
};

}  // namespace sd
