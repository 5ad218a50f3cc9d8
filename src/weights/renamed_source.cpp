#include "weights/renamed_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "weights/name_index.h"
#include "weights/openclip_names.h"
#include "weights/spaced_blocks.h"
#include "weights/tensor_pieces.h"

namespace sd {
namespace {

constexpr std::string_view kTextPrefix = "cond_stage_model.transformer.";
constexpr std::string_view kTextModel = "text_model.";

/// Bit by bit where both have one dtype, else as numbers.
bool equal_values(const TensorView& one, const TensorView& other) {
  const bool numbers = is_floating(one.dtype) && is_floating(other.dtype);
  if (one.dtype != other.dtype && !numbers) return false;
  const auto dtype = one.dtype == other.dtype ? one.dtype : DType::kF64;
  TensorPieces first(one, dtype), second(other, dtype);
  while (true) {
    const auto a = first.next(), b = second.next();
    if (!std::ranges::equal(a, b)) return false;
    if (a.empty()) return true;
  }
}

class RenamedSource final : public TensorSource {
 public:
  RenamedSource(std::string label, std::vector<std::unique_ptr<TensorSource>> sources,
                std::vector<RenamedTensor> tensors)
      : label_(std::move(label)), sources_(std::move(sources)) {
    tensors_.reserve(tensors.size());
    for (RenamedTensor& tensor : tensors) {
      if (index_.add(tensor.name)) {
        tensors_.push_back(std::move(tensor));
        continue;
      }
      const auto place = *index_.find(tensor.name);
      require_same_shape(tensors_[place], tensor);
      again_.emplace(place, std::move(tensor));
    }
  }

  const std::vector<std::string>& names() const override { return index_.names(); }
  bool contains(std::string_view name) const override { return index_.find(name).has_value(); }
  const std::string& label() const override { return label_; }

  TensorView at(std::string_view name) const override {
    const auto place = find(name);
    const auto [first, end] = again_.equal_range(place);
    for (auto other = first; other != end; ++other) require_equal(tensors_[place], other->second);
    return read(tensors_[place]);
  }
  TensorView describe(std::string_view name) const override {
    return described(tensors_[find(name)]);
  }
  StoredAs stored(std::string_view name) const override {
    const RenamedTensor& tensor = tensors_[find(name)];
    return sources_[tensor.source]->stored(tensor.original);
  }

 private:
  std::size_t find(std::string_view name) const {
    const auto at = index_.find(name);
    if (!at) throw CheckpointError(fmt::format("{}: no tensor is named '{}'", label_, name));
    return *at;
  }

  TensorView read(const RenamedTensor& tensor) const {
    return reshape(narrowed(sources_[tensor.source]->at(tensor.original), tensor), tensor);
  }
  TensorView described(const RenamedTensor& tensor) const {
    return reshape(narrowed(sources_[tensor.source]->describe(tensor.original), tensor), tensor);
  }

  [[noreturn]] void refuse(const RenamedTensor& first, const RenamedTensor& second,
                           std::string_view how) const {
    throw CheckpointError(fmt::format(
        "{}: '{}' and '{}' both stand for '{}', but {}\n    Nothing tells which of them "
        "counts: take one out, or take the model from where it was published.",
        label_, first.original, second.original, first.name, how));
  }

  /// Of what is no plain tensor nothing is known; whoever reads it will say so.
  void require_same_shape(const RenamedTensor& first, const RenamedTensor& second) const {
    std::vector<int64_t> shape, other;
    try {
      shape = described(first).shape;
      other = described(second).shape;
    } catch (const CheckpointError&) {
      return;
    }
    if (shape != other)
      refuse(first, second,
             fmt::format("of shapes {} and {}", shape_text(shape), shape_text(other)));
  }

  void require_equal(const RenamedTensor& first, const RenamedTensor& second) const {
    const auto one = read(first), other = read(second);
    if (!equal_values(one, other)) refuse(first, second, "differ");
  }

  /// The piece that `tensor` is of what the file holds under its name; bytes only where there are
  /// any.
  TensorView narrowed(TensorView view, const RenamedTensor& tensor) const {
    if (tensor.parts == 1) return view;
    if (view.shape.empty() || view.shape[0] % tensor.parts != 0) {
      throw CheckpointError(fmt::format("{}: '{}' has shape {}, expected {} equal parts", label_,
                                        tensor.original, shape_text(view.shape), tensor.parts));
    }
    const int64_t rows = view.shape[0] / tensor.parts;
    auto strides = view.strides;
    if (strides.empty()) {
      strides.assign(view.shape.size(), 1);
      for (std::size_t i = strides.size() - 1; i > 0; --i)
        strides[i - 1] = strides[i] * view.shape[i];
    }
    view.shape[0] = rows;
    if (view.bytes.empty() || rows == 0) return view;
    // The source has checked that all of the whole's elements lie in `bytes`.
    int64_t last = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) last += (view.shape[i] - 1) * strides[i];
    const auto size = size_of(view.dtype);
    view.bytes =
        view.bytes.subspan(static_cast<std::size_t>(tensor.part * rows * strides[0]) * size,
                           static_cast<std::size_t>(last + 1) * size);
    return view;
  }

  static TensorView reshape(TensorView view, const RenamedTensor& tensor) {
    if (tensor.as_convolution && view.shape.size() == 2) {
      view.shape.insert(view.shape.end(), {1, 1});
      if (!view.strides.empty()) view.strides.insert(view.strides.end(), {1, 1});
    }
    return view;
  }

  std::string label_;
  std::vector<std::unique_ptr<TensorSource>> sources_;
  std::vector<RenamedTensor> tensors_;
  std::multimap<std::size_t, RenamedTensor> again_;  // more of the name of the one at that place
  NameIndex index_;
};

}  // namespace

std::unique_ptr<TensorSource> rename_tensors(std::string label,
                                             std::vector<std::unique_ptr<TensorSource>> sources,
                                             std::vector<RenamedTensor> tensors) {
  return std::make_unique<RenamedSource>(std::move(label), std::move(sources), std::move(tensors));
}

std::unique_ptr<TensorSource> rename_tensors(std::unique_ptr<TensorSource> source,
                                             std::vector<RenamedTensor> tensors) {
  std::string label = source->label();
  std::vector<std::unique_ptr<TensorSource>> sources;
  sources.push_back(std::move(source));
  return rename_tensors(std::move(label), std::move(sources), std::move(tensors));
}

std::string compvis_text_name(std::string_view key) {
  if (key.starts_with(kTextModel)) key.remove_prefix(kTextModel.size());
  return fmt::format("{}{}{}", kTextPrefix, kTextModel, key);
}

std::unique_ptr<TensorSource> with_published_names(std::unique_ptr<TensorSource> tensors) {
  tensors = with_close_numbers(with_clip_names(std::move(tensors)));
  const auto lacks_part = [](std::string_view name) {
    if (!name.starts_with(kTextPrefix)) return false;
    name.remove_prefix(kTextPrefix.size());
    return name.starts_with("embeddings.") || name.starts_with("encoder.") ||
           name.starts_with("final_layer_norm.");
  };
  const auto& names = tensors->names();
  if (std::none_of(names.begin(), names.end(), lacks_part)) return tensors;
  std::vector<RenamedTensor> renamed;
  renamed.reserve(names.size());
  for (const std::string& name : names) {
    renamed.push_back({lacks_part(name) ? compvis_text_name(name.substr(kTextPrefix.size())) : name,
                       0, name, false});
  }
  return rename_tensors(std::move(tensors), std::move(renamed));
}

std::unique_ptr<TensorSource> with_ema_weights(std::unique_ptr<TensorSource> tensors) {
  // ldm.modules.ema.LitEma registers each weight under its name after "model." without the dots,
  // which buffers may not have.
  constexpr std::string_view kPlain = "model.";
  constexpr std::string_view kEma = "model_ema.";
  std::vector<RenamedTensor> renamed;
  std::string missing;
  bool found = false;
  for (const std::string& name : tensors->names()) {
    if (name.starts_with(kEma)) continue;
    std::string original = name;
    if (name.starts_with(kPlain)) {
      std::string flat = name.substr(kPlain.size());
      std::erase(flat, '.');
      flat.insert(0, kEma);
      if (tensors->contains(flat)) {
        original = std::move(flat);
        found = true;
      } else if (missing.empty()) {
        missing = name;
      }
    }
    renamed.push_back({name, 0, std::move(original), false});
  }
  if (!found) {
    throw CheckpointError(
        fmt::format("{}: it holds no EMA weights (no 'model_ema.*' tensors); leave out --ema",
                    tensors->label()));
  }
  if (!missing.empty()) {
    throw CheckpointError(fmt::format("{}: its EMA weights are incomplete: there is none for '{}'",
                                      tensors->label(), missing));
  }
  return rename_tensors(std::move(tensors), std::move(renamed));
}

}  // namespace sd
