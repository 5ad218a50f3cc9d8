#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// Between the two layers of a text encoder's feed-forward: CLIP's x·σ(1.702x), or the exact GELU.
enum class TextActivation { kQuickGelu, kGelu };

/// Which network turns ids into a context.
enum class TextEncoderKind {
  kClip,  // CLIP ViT-L/14's, as transformers names it
  kBert,  // LAION-400M latent diffusion's (ldm.modules.encoders.modules.BERTEmbedder)
};

/// What turns a prompt into ids.
enum class TokenizerKind {
  kClip,           // CLIP's byte-pair encoding
  kWordPiece,      // that of bert-base-uncased
  kSentencePiece,  // a model of pieces that comes with the weights
};

/// A SentencePiece tokenizer (`tokenizer/spiece.model` of a diffusers folder). Texts name pieces.
struct SentencePieceConfig {
  std::string model;  // path of spiece.model
  std::string end = "</s>";
  std::string padding = "<pad>";
  std::vector<std::string> specials;  // stand for one id wherever a prompt has them as written
  bool lower_case = false;
  bool operator==(const SentencePieceConfig&) const = default;
};

/// The text encoder and its tokenizer (CLIP ViT-L/14 by default).
struct TextConfig {
  TextEncoderKind encoder = TextEncoderKind::kClip;
  TokenizerKind tokenizer = TokenizerKind::kClip;
  int64_t padding = 49407;  // the id behind the end of a prompt, but for kSentencePiece
  SentencePieceConfig sentence_piece = {};  // of kSentencePiece
  int64_t width = 768;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t head_width = 64;  // of kBert; elsewhere width / heads
  int64_t vocabulary = 49408;
  int64_t positions = 77;
  int64_t feed_forward = 3072;
  TextActivation activation = TextActivation::kQuickGelu;
  bool operator==(const TextConfig&) const = default;
};

/// What runs of OpenCLIP ViT-H/14 in Stable Diffusion 2: 23 of its 24 layers ("penultimate").
inline TextConfig openclip_text() {
  return {.padding = 0,
          .width = 1024,
          .layers = 23,
          .heads = 16,
          .feed_forward = 4096,
          .activation = TextActivation::kGelu};
}

/// What a UNet has between its way down and its way up. Distilled ones were cut there.
enum class UNetMiddle {
  kFull,      // residual block, transformer, residual block
  kResidual,  // one residual block
  kNone,
};

/// "full", "residual", "none": as configurations and messages spell it.
inline std::string_view name_of(UNetMiddle middle) {
  switch (middle) {
    case UNetMiddle::kResidual:
      return "residual";
    case UNetMiddle::kNone:
      return "none";
    case UNetMiddle::kFull:
      break;
  }
  return "full";
}

/// UNet of latent diffusion (ldm.modules.diffusionmodules.openaimodel.UNetModel).
struct UNetConfig {
  int64_t in_channels = 4;
  int64_t out_channels = 4;
  int64_t model_channels = 320;
  int64_t num_res_blocks = 2;
  std::vector<int64_t> channel_mult = {1, 2, 4, 4};
  std::vector<int64_t> attention_resolutions = {
      4, 2, 1};                    // down-sampling factors at which attention stands
  int64_t num_heads = 8;           // used when num_head_channels is -1
  int64_t num_head_channels = -1;  // fixed width of a head instead
  int64_t transformer_depth = 1;
  int64_t context_dim = 768;
  int64_t norm_groups = 32;
  bool use_linear_in_transformer = false;  // SD 2: proj_in/proj_out are linear layers
  UNetMiddle middle = UNetMiddle::kFull;
  /// Of the embedded guidance scale that latent consistency models add to the time
  /// (arXiv:2310.04378, section 4.2); 0: none.
  int64_t time_cond_width = 0;
  bool operator==(const UNetConfig&) const = default;
};

/// KL autoencoder (ldm.models.autoencoder.AutoencoderKL).
struct VaeConfig {
  int64_t embed_dim = 4;
  int64_t z_channels = 4;
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t channels = 128;
  std::vector<int64_t> channel_mult = {1, 2, 4, 4};
  int64_t num_res_blocks = 2;
  int64_t norm_groups = 32;
  bool operator==(const VaeConfig&) const = default;

  /// Pixels per latent, e.g. 8.
  int64_t factor() const { return int64_t{1} << (channel_mult.size() - 1); }
};

/// What a UNet was trained to predict of x = sqrt(ᾱ) x0 + sqrt(1−ᾱ) ε: the noise ε, or the velocity
/// v = sqrt(ᾱ) ε − sqrt(1−ᾱ) x0 (arXiv:2202.00512, appendix D).
enum class Prediction { kNoise, kVelocity };

/// "eps", "v": as options and messages spell it.
inline std::string_view name_of(Prediction prediction) {
  return prediction == Prediction::kVelocity ? "v" : "eps";
}

/// What a UNet takes behind the channels of the latents.
enum class UNetExtra {
  kNone,
  kMaskedPicture,  // inpainting: the mask (1 = draw anew), then the masked picture's latents
  kPicture,        // InstructPix2Pix: the input picture's latents, not scaled
};

/// Everything needed to build a latent diffusion model; the defaults are SD v1's.
struct ModelConfig {
  TextConfig text;
  UNetConfig unet;
  VaeConfig vae;
  double linear_start = 0.00085;  // sqrt-linear betas, DDPM's notation
  double linear_end = 0.0120;
  int64_t timesteps = 1000;
  double scale_factor = 0.18215;  // latents = scale_factor * z
  int64_t image_size = 64;        // side of the latents at the size the model was trained for
  bool use_ema = false;           // load `model_ema.*` instead of `model.*`
  std::optional<Prediction> prediction;  // nothing where nobody has said it
  bool zero_terminal_snr = false;        // trained with a noise schedule that ends in pure noise
  bool operator==(const ModelConfig&) const = default;

  int64_t default_pixels() const { return image_size * vae.factor(); }
  int64_t latent_channels() const { return unet.out_channels; }
  UNetExtra extra() const {
    const int64_t behind = unet.in_channels - unet.out_channels;
    if (behind == 0) return UNetExtra::kNone;
    return behind == unet.out_channels ? UNetExtra::kPicture : UNetExtra::kMaskedPicture;
  }
};

}  // namespace sd
