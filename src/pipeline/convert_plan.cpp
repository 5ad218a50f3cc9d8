#include "pipeline/convert_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "sd/core/error.h"
#include "weights/diffusers_names.h"
#include "weights/expected_tensors.h"
#include "weights/leftovers.h"
#include "weights/openclip_names.h"
#include "weights/tensor_pieces.h"

namespace sd {
namespace {

/// Schedules and counters keep their precision whatever the weights are held in.
bool is_weight(std::string_view name) {
  for (std::string_view prefix :
       {"model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "model_ema."}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

/// What a tensor keeps where nothing else is asked for: what merged networks made floats of is
/// again what the file has.
DType kept_dtype(const TensorSource& tensors, const std::string& name, DType given) {
  const auto type = tensors.stored(name).type;
  for (const auto dtype : {DType::kF64, DType::kF16, DType::kBF16}) {
    if (given == DType::kF32 && type == name_of(dtype)) return dtype;
  }
  return given;
}

TensorHeader header_of(const TensorSource& tensors, const std::string& name,
                       std::optional<DType> wanted) {
  auto view = tensors.describe(name);
  const bool converts = wanted && is_floating(view.dtype) && is_weight(name);
  return {name, converts ? *wanted : kept_dtype(tensors, name, view.dtype), std::move(view.shape)};
}

void align(PlannedFile& file) {
  std::stable_sort(file.tensors.begin(), file.tensors.end(), [](const auto& a, const auto& b) {
    return size_of(a.header.dtype) > size_of(b.header.dtype);
  });
}

/// A text encoder's tensor under the name that OpenCLIP has for it: queries, keys and values as the
/// one projection that they are there. Nothing for keys and values, which come with the queries.
std::optional<PlannedTensor> planned_for_openclip(const TensorSource& tensors,
                                                  const std::string& name,
                                                  const OpenClipName& openclip,
                                                  std::optional<DType> wanted) {
  PlannedTensor planned{header_of(tensors, name, wanted), {name}};
  planned.header.name = openclip.name;
  if (openclip.siblings.empty()) return planned;
  if (openclip.part > 0) return std::nullopt;
  for (const auto& sibling : openclip.siblings) {
    planned.sources.push_back(sibling);
    // Three of one dtype in every published file; f32 holds all others.
    if (header_of(tensors, sibling, wanted).dtype != planned.header.dtype)
      planned.header.dtype = DType::kF32;
  }
  planned.header.shape.front() *= static_cast<int64_t>(planned.sources.size());
  return planned;
}

ConvertPlan plan_file(const TensorSource& tensors, const ModelConfig& config,
                      const ConvertRequest& request) {
  const bool openclip = has_openclip_names(tensors, config.text);
  ConvertPlan plan;
  PlannedFile& file = plan.files.emplace_back();
  for (const auto& name : tensors.names()) {
    if (name.starts_with("model_ema.") && !request.keep_ema) continue;
    const auto other = openclip ? openclip_name(name) : std::nullopt;
    if (!other) {
      file.tensors.push_back({header_of(tensors, name, request.dtype), {name}});
    } else if (auto planned = planned_for_openclip(tensors, name, *other, request.dtype)) {
      file.tensors.push_back(std::move(*planned));
    }
  }
  align(file);
  return plan;
}

/// The weights that a part of a folder is drawn with; diffusers takes no others.
ConvertPlan plan_folder(const TensorSource& tensors, const ModelConfig& config,
                        const ConvertRequest& request) {
  if (config.text.encoder == TextEncoderKind::kBert) {
    throw CheckpointError(fmt::format(
        "{}: a LAION-400M model, for which diffusers has no pipeline\n    Give NAME.safetensors.",
        tensors.label()));
  }
  const std::map<std::string, const char*> weight_files = {
      {"unet", "diffusion_pytorch_model.safetensors"},
      {"vae", "diffusion_pytorch_model.safetensors"},
      {"text_encoder", "model.safetensors"}};
  const DiffusersKeys keys(config);
  std::map<std::string, PlannedFile> parts;
  std::unordered_set<std::string> placed;
  for (const auto& expected : expected_tensors(config)) {
    const auto place = keys.of(expected.name);
    if (!place) {
      throw CheckpointError(
          fmt::format("{}: diffusers has no place for '{}'", tensors.label(), expected.name));
    }
    auto header = header_of(tensors, expected.name, request.dtype);
    header.name = place->key;
    // [out,in,1,1] as the linear layer's [out,in]
    if (place->from_convolution && header.shape.size() == 4) header.shape.resize(2);
    parts[place->part].tensors.push_back({std::move(header), {expected.name}});
    placed.insert(expected.name);
  }
  ConvertPlan plan;
  for (auto& [part, file] : parts) {
    file.path = std::filesystem::path(part) / weight_files.at(part);
    align(file);
    plan.files.push_back(std::move(file));
  }
  for (const auto& name : tensors.names()) {
    if (!placed.contains(name) && !may_be_ignored(name)) plan.left_out.push_back(name);
  }
  return plan;
}

}  // namespace

std::vector<TensorHeader> PlannedFile::headers() const {
  std::vector<TensorHeader> headers;
  for (const auto& tensor : tensors) headers.push_back(tensor.header);
  return headers;
}

bool wants_folder(const std::filesystem::path& out) {
  const auto suffix = out.extension();
  if (!out.has_filename() || suffix.empty()) return true;
  if (suffix == ".safetensors") return false;
  throw UsageError(fmt::format(
      "{}: files of this kind are not written\nExpected NAME.safetensors, or a folder: a name "
      "without a suffix, or with a slash at its end.",
      out.string()));
}

ConvertPlan plan_conversion(const TensorSource& tensors, const ModelConfig& config,
                            const ConvertRequest& request) {
  require_complete(tensors, expected_tensors(config));
  return wants_folder(request.out) ? plan_folder(tensors, config, request)
                                   : plan_file(tensors, config, request);
}

}  // namespace sd
