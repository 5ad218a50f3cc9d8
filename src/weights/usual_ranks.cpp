#include "weights/usual_ranks.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::size_t kMatrix = 2, kConvolution = 4;
constexpr std::string_view kUNet = "model.diffusion_model.";
constexpr std::string_view kVae = "first_stage_model.";
constexpr std::string_view kText = "cond_stage_model.";

// The ends of names of 1x1 convolutions, and of linear layers in a UNet.
constexpr std::array<std::string_view, 7> kConvolutions = {
    ".attn_1.q.weight",        ".attn_1.k.weight",     ".attn_1.v.weight",
    ".attn_1.proj_out.weight", ".nin_shortcut.weight", ".skip_connection.weight",
    "quant_conv.weight"};
constexpr std::array<std::string_view, 9> kMatrices = {
    ".to_q.weight",         ".to_k.weight",          ".to_v.weight",
    ".to_out.0.weight",     ".ff.net.0.proj.weight", ".ff.net.2.weight",
    ".emb_layers.1.weight", "time_embed.0.weight",   "time_embed.2.weight"};
constexpr std::array<std::string_view, 9> kTextMatrices = {
    ".q_proj.weight", ".k_proj.weight", ".v_proj.weight", ".out_proj.weight", ".fc1.weight",
    ".fc2.weight",    ".to_q.weight",   ".to_k.weight",   ".to_v.weight"};
constexpr std::array<std::string_view, 2> kProjections = {".proj_in.weight", ".proj_out.weight"};

template <typename Ends>
bool ends_with_any(std::string_view name, const Ends& ends) {
  return std::ranges::any_of(ends, [&](std::string_view end) { return name.ends_with(end); });
}

bool is_projection(std::string_view name) {
  return name.starts_with(kUNet) && ends_with_any(name, kProjections);
}

class UsualRanks final : public TensorSource {
 public:
  explicit UsualRanks(std::unique_ptr<TensorSource> tensors) : tensors_(std::move(tensors)) {
    for (const auto& name : tensors_->names()) {
      if (!is_projection(name)) continue;
      try {
        projection_rank_ = tensors_->describe(name).shape.size();
        break;
      } catch (const CheckpointError&) {
        // No plain tensor; whoever needs it will say so.
      }
    }
  }

  const std::vector<std::string>& names() const override { return tensors_->names(); }
  bool contains(std::string_view name) const override { return tensors_->contains(name); }
  const std::string& label() const override { return tensors_->label(); }
  StoredAs stored(std::string_view name) const override { return tensors_->stored(name); }
  TensorView at(std::string_view name) const override { return fitted(tensors_->at(name), name); }
  TensorView describe(std::string_view name) const override {
    return fitted(tensors_->describe(name), name);
  }

 private:
  std::optional<std::size_t> rank_of(std::string_view name) const {
    const bool unet = name.starts_with(kUNet);
    if (unet && ends_with_any(name, kProjections)) return projection_rank_;
    if ((unet || name.starts_with(kVae)) && ends_with_any(name, kConvolutions)) return kConvolution;
    const bool matrix = (unet && ends_with_any(name, kMatrices)) ||
                        (name.starts_with(kText) && ends_with_any(name, kTextMatrices));
    return matrix ? std::optional(kMatrix) : std::nullopt;
  }

  TensorView fitted(TensorView view, std::string_view name) const {
    auto& shape = view.shape;
    if (shape.size() != kMatrix && shape.size() != kConvolution) return view;
    const auto rank = rank_of(name);
    if (!rank || *rank == shape.size()) return view;
    if (*rank == kConvolution) {
      shape.insert(shape.end(), {1, 1});
      if (!view.strides.empty()) view.strides.insert(view.strides.end(), {1, 1});
    } else if (*rank == kMatrix && shape[2] == 1 && shape[3] == 1) {
      shape.resize(kMatrix);
      if (!view.strides.empty()) view.strides.resize(kMatrix);
    }
    return view;
  }

  std::unique_ptr<TensorSource> tensors_;
  std::optional<std::size_t> projection_rank_;
};

}  // namespace

std::unique_ptr<TensorSource> with_usual_ranks(std::unique_ptr<TensorSource> tensors) {
  return std::make_unique<UsualRanks>(std::move(tensors));
}

}  // namespace sd
