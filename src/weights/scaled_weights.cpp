#include "weights/scaled_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "weights/byte_reader.h"
#include "weights/tensor_pieces.h"

namespace sd {
namespace {

// What ComfyUI and its quantising scripts call a scale; behind the layer's name and a dot.
constexpr std::array<std::string_view, 2> kScales = {"scale_weight", "weight_scale"};
// For products in 8 bits, which are not computed here, and marks of the format.
constexpr std::array<std::string_view, 3> kUnused = {"scale_input", "input_scale", "comfy_quant"};
constexpr std::string_view kMarker = "scaled_fp8";

/// "X." for "X.scale_weight"; nothing for other names.
template <typename Names>
std::optional<std::string_view> layer_of(std::string_view name, const Names& lasts) {
  const auto dot = name.rfind('.');
  if (dot == name.npos || std::ranges::find(lasts, name.substr(dot + 1)) == lasts.end())
    return std::nullopt;
  return name.substr(0, dot + 1);
}

bool is_marker(std::string_view name) {
  return name == kMarker || name.ends_with(fmt::format(".{}", kMarker));
}

std::vector<float> floats_of(const TensorView& view) {
  TensorPieces pieces(view, DType::kF32);
  std::vector<float> values;
  for (auto bytes = pieces.next(); !bytes.empty(); bytes = pieces.next()) {
    const auto before = values.size();
    values.resize(before + bytes.size() / sizeof(float));
    std::memcpy(values.data() + before, bytes.data(), bytes.size());
  }
  return values;
}

class ScaledSource final : public TensorSource {
 public:
  explicit ScaledSource(std::unique_ptr<TensorSource> tensors) : tensors_(std::move(tensors)) {
    for (const auto& name : tensors_->names()) {
      if (is_marker(name) || layer_of(name, kUnused)) {
        hidden_.insert(name);
      } else if (const auto layer = layer_of(name, kScales)) {
        add_scale(name, std::string(*layer) + "weight");
      }
    }
    for (const auto& name : tensors_->names()) {
      if (!hidden_.contains(name)) names_.push_back(name);
    }
  }

  const std::vector<std::string>& names() const override { return names_; }
  const std::string& label() const override { return tensors_->label(); }
  StoredAs stored(std::string_view name) const override { return tensors_->stored(name); }
  bool contains(std::string_view name) const override {
    return !hidden_.contains(std::string(name)) && tensors_->contains(name);
  }

  TensorView describe(std::string_view name) const override {
    auto view = tensors_->describe(name);
    if (!scales_.contains(std::string(name))) return view;
    view.dtype = DType::kF32;
    view.strides.clear();
    return view;
  }

  TensorView at(std::string_view name) const override {
    const auto view = tensors_->at(name);
    const auto found = scales_.find(std::string(name));
    return found == scales_.end() ? view : multiplied(view, found->second);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(fmt::format("{}: {}", label(), what));
  }

  void add_scale(const std::string& scale, const std::string& weight) {
    if (!tensors_->contains(weight)) return;  // of something else
    const auto type = tensors_->stored(weight).type;
    if (!type.starts_with("F8_")) {
      fail(
          fmt::format("'{}' is quantised: {} with the scale '{}', expected 8-bit floating point\n"
                      "    Take the model's .safetensors in f16, bf16 or fp8.",
                      weight, type, scale));
    }
    const auto shape = tensors_->describe(weight).shape;
    const auto count = checked_elements(tensors_->describe(scale).shape);
    const bool one_a_row = !shape.empty() && count == shape.front();
    if (!count || (*count != 1 && !one_a_row)) {
      fail(fmt::format("'{}' has shape {}, expected one number, or one for each row of '{}', {}",
                       scale, shape_text(tensors_->describe(scale).shape), weight,
                       shape_text(shape)));
    }
    if (!scales_.emplace(weight, scale).second) fail(fmt::format("'{}' has two scales", weight));
    hidden_.insert(scale);
  }

  TensorView multiplied(const TensorView& view, const std::string& scale) const {
    const auto scales = floats_of(tensors_->at(scale));
    const auto values = std::make_shared<std::vector<float>>(floats_of(view));
    const auto row = scales.empty() ? 1 : std::max<std::size_t>(1, values->size() / scales.size());
    for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] *= scales[i / row];
    TensorView product;
    product.dtype = DType::kF32;
    product.shape = view.shape;
    product.bytes = std::as_bytes(std::span(*values));
    product.owner = values;
    return product;
  }

  std::unique_ptr<TensorSource> tensors_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::string> scales_;  // of a weight
  std::unordered_set<std::string> hidden_;               // scales and marks
};

}  // namespace

std::unique_ptr<TensorSource> with_scales_applied(std::unique_ptr<TensorSource> tensors) {
  const bool any = std::ranges::any_of(tensors->names(), [](const std::string& name) {
    return is_marker(name) || layer_of(name, kScales);
  });
  if (!any) return tensors;
  return std::make_unique<ScaledSource>(std::move(tensors));
}

}  // namespace sd
