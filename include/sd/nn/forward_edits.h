#pragma once

#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "sd/core/added_guidance.h"
#include "sd/nn/attention_controller.h"
#include "sd/nn/shared_attention.h"

namespace sd {

/// Consecutive rows of a batch.
struct RowRange {
  int64_t begin = 0, count = 0;
};

/// Attention layers of one place; what is absent holds for all.
struct SiteChoice {
  UNetPart part = UNetPart::kMiddle;
  std::optional<int64_t> block;         // as AttentionSite has it
  std::optional<int64_t> downsampling;  // likewise
};

/// What happens to the self-attention of some rows in some layers.
struct AttentionPerturbation {
  enum class Kind {
    kIdentity,  // each pixel looks at itself alone (PAG, arXiv:2403.17377, eq. 12)
    kBlurred,   // queries are blurred over the picture (SEG, arXiv:2408.00760, eq. 8)
  };
  Kind kind = Kind::kIdentity;
  double sigma = std::numeric_limits<double>::infinity();  // of the blur; infinite: their mean
  std::vector<SiteChoice> sites;
  RowRange rows;

  bool is_at(const AttentionSite& site) const;
};

/// Cross-attention of some rows, pushed away from what another prompt gives
/// (normalized attention guidance, arXiv:2505.21179, section 3.2).
struct NegativeAttention {
  torch::Tensor context;        // [B,K,D]
  std::vector<int64_t> begins;  // of B rows each
  double scale = 1, tau = 2.5, alpha = 0.25;
};

/// FreeU (arXiv:2309.11497) in its first or second version.
struct FreeU {
  FreeUFactors factors;
  int64_t version = 2;
};

/// What the self-attention of the middle pays to each pixel, summed over queries, in the mean over
/// heads.
struct AttentionSums {
  RowRange rows;
  torch::Tensor sums;  // [rows.count,h,w] float32, of the newest call
};

/// What the cross-attention of layers of one size on the way down and up pays to the tokens of
/// concepts, in the mean over heads; layers are added up.
struct ConceptSums {
  struct Concept {
    RowRange rows;
    std::vector<int64_t> tokens;  // positions in the context
    torch::Tensor sums;           // [rows.count,h,w] float32, of the newest call
  };
  int64_t downsampling = 4;  // latent pixels a side that one of theirs stands for
  std::vector<Concept> concepts;

  bool is_at(const AttentionSite& site) const {
    return site.kind == AttentionKind::kCross && site.part != UNetPart::kMiddle &&
           site.downsampling == downsampling;
  }
};

/// Cross-attention of some rows to the prompts of several regions ("attention couple"): what each
/// prompt gives is weighed at each pixel and added up.
struct RegionAttention {
  RowRange rows;  // whose own context is the first region's
  /// Of the other regions: their prompts, [rows.count,K,D].
  std::vector<torch::Tensor> contexts;
  /// Of every region, the first one's too, by the pixels of the latents that one of a layer stands
  /// for: [regions, rows.count, Q, 1], adding up to 1 at every pixel.
  std::map<int64_t, torch::Tensor> weights;
};

/// What guidance does inside of the UNet in one call.
struct ForwardEdits {
  std::optional<AttentionPerturbation> perturbation;
  std::optional<NegativeAttention> negative;
  std::optional<FreeU> freeu;
  AttentionSums* sums = nullptr;
  ConceptSums* concepts = nullptr;
  const RegionAttention* regions = nullptr;
  const RowSharer* sharer = nullptr;  // which rows look at others; null: none
  /// Layers compute other things for other rows: they must be given all of a batch.
  bool divided = false;
  /// Embedded guidance scale, [R,W] or [1,W], added to the time (arXiv:2310.04378); undefined:
  /// none.
  torch::Tensor time_condition;

  /// Whether the layers behind the time are left alone.
  bool leaves_layers_alone() const {
    return !perturbation && !negative && !freeu && sums == nullptr && concepts == nullptr &&
           regions == nullptr && sharer == nullptr;
  }
};

}  // namespace sd
