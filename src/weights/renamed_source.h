#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd {

/// One tensor of a renamed view.
struct RenamedTensor {
  std::string name;        // what it is called here
  std::size_t source = 0;  // which of the sources holds it
  std::string original;    // what it is called there
  bool as_convolution =
      false;          // a linear layer's [out,in] seen as a 1x1 convolution's [out,in,1,1]
  int64_t part = 0;   // which of
  int64_t parts = 1;  // so many equal pieces of the first dimension
};

/// A view over one or several sources under other names; no tensor is copied. If two tensors get
/// the same name, the first one counts. Reading it throws CheckpointError, naming both, if their
/// values differ. If their shapes differ, this call throws that error at once.
std::unique_ptr<TensorSource> rename_tensors(std::string label,
                                             std::vector<std::unique_ptr<TensorSource>> sources,
                                             std::vector<RenamedTensor> tensors);
/// The same over one source, whose label it keeps.
std::unique_ptr<TensorSource> rename_tensors(std::unique_ptr<TensorSource> source,
                                             std::vector<RenamedTensor> tensors);

/// CompVis names as this program's modules have them: OpenCLIP's text encoder gets CLIP's names
/// (openclip_names.h), a cut UNet's blocks get numbers without gaps (spaced_blocks.h), text encoder
/// keys without their `text_model.` part (newer transformers
/// versions drop it) get it back. Returns `tensors` itself where nothing is to be changed.
std::unique_ptr<TensorSource> with_published_names(std::unique_ptr<TensorSource> tensors);

/// "cond_stage_model.transformer.text_model.…" for a CLIPTextModel's key with or without
/// "text_model.".
std::string compvis_text_name(std::string_view key);

}  // namespace sd
