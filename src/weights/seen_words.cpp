#include "weights/seen_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::string_view kEmbedding =
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
constexpr int64_t kVocabulary = 49408;  // CLIP's

class AllWordsSource final : public TensorSource {
 public:
  explicit AllWordsSource(std::unique_ptr<TensorSource> tensors) : tensors_(std::move(tensors)) {
    for (const auto& name : tensors_->names()) {
      if (name != kSeenWords) names_.push_back(name);
    }
    read_ids();
  }

  const std::vector<std::string>& names() const override { return names_; }
  const std::string& label() const override { return tensors_->label(); }
  StoredAs stored(std::string_view name) const override { return tensors_->stored(name); }

  bool contains(std::string_view name) const override {
    return name != kSeenWords && tensors_->contains(name);
  }

  TensorView describe(std::string_view name) const override {
    auto view = tensors_->describe(name);
    if (name == kEmbedding) view.shape[0] = kVocabulary;
    return view;
  }

  TensorView at(std::string_view name) const override {
    auto view = tensors_->at(name);
    return name == kEmbedding ? spread(view) : view;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(
        fmt::format("{}: '{}' {}\n    The file is damaged, or was not written by sd-train.",
                    label(), kSeenWords, what));
  }

  void read_ids() {
    const auto ids = tensors_->at(kSeenWords);
    if (!tensors_->contains(kEmbedding)) fail("is there, but the embedding is not");
    const auto shape = tensors_->describe(kEmbedding).shape;
    if (ids.dtype != DType::kI32 || ids.shape.size() != 1 || !ids.strides.empty())
      fail(fmt::format("is {} {}, expected I32 [N]", name_of(ids.dtype), shape_text(ids.shape)));
    if (shape.size() != 2 || shape[0] != ids.shape[0])
      fail(fmt::format("has shape {}, the embedding {}", shape_text(ids.shape), shape_text(shape)));
    ids_.resize(static_cast<std::size_t>(ids.shape[0]));
    std::memcpy(ids_.data(), ids.bytes.data(), ids.bytes.size());
    const bool ascending = std::ranges::adjacent_find(ids_, std::greater_equal<>()) == ids_.end();
    if (!ascending || (!ids_.empty() && (ids_.front() < 0 || ids_.back() >= kVocabulary)))
      fail(fmt::format("holds ids that do not ascend from 0 to {}", kVocabulary - 1));
  }

  TensorView spread(const TensorView& view) const {
    if (!view.strides.empty()) fail("stands beside an embedding that is not contiguous");
    const auto width = static_cast<std::size_t>(view.shape[1]) * size_of(view.dtype);
    const auto all = std::make_shared<std::vector<std::byte>>(width * kVocabulary);
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      std::memcpy(all->data() + static_cast<std::size_t>(ids_[i]) * width,
                  view.bytes.data() + i * width, width);
    }
    TensorView whole;
    whole.dtype = view.dtype;
    whole.shape = {kVocabulary, view.shape[1]};
    whole.bytes = *all;
    whole.owner = all;
    return whole;
  }

  std::unique_ptr<TensorSource> tensors_;
  std::vector<std::string> names_;
  std::vector<int32_t> ids_;
};

}  // namespace

std::unique_ptr<TensorSource> with_all_words(std::unique_ptr<TensorSource> tensors) {
  if (!tensors->contains(kSeenWords)) return tensors;
  return std::make_unique<AllWordsSource>(std::move(tensors));
}

}  // namespace sd
