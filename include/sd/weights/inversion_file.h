#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sd/core/inversion_method.h"

namespace sd {

/// A LoRA that the model had in every row and step while a picture was inverted.
struct InversionNetwork {
  std::string name;     // of its file, without ending
  std::string weights;  // "te=0.5 unet=1", and weights of blocks behind
  std::string hash;     // network_hash

  /// Whatever its file is called.
  bool is_same(const InversionNetwork& other) const {
    return weights == other.weights && hash == other.hash;
  }
};

/// A control net, or a picture that is followed, that the model had while a picture was inverted.
struct InversionAddition {
  std::string name;      // of the net's or adapter's file
  std::string settings;  // "weight=1 steps=0:1 mode=balanced", as it was written
  std::string hash;      // of that file; empty: not told
  std::string picture;   // SHA-256 of the file of the picture that it was shown; empty: not told

  /// Whatever its file is called.
  bool is_same(const InversionAddition& other) const {
    return settings == other.settings && hash == other.hash && picture == other.picture;
  }
};

/// What is known of an inversion beside its tensors.
struct InversionFacts {
  InversionMethod method = InversionMethod::kDirect;  // what it was made for
  std::string prompt;
  SamplerKind sampler = SamplerKind::kDdim;  // whose noise levels the path has
  int64_t steps = 0;       // that the schedule was asked for; the path may have the last of them
  double guidance = 1;     // scale under which it was made
  std::string picture;     // SHA-256 of the picture's file; empty: none was named
  std::string model;       // SHA-256 of the model's file
  std::string model_name;  // "v1-5-pruned-emaonly"
  std::vector<InversionNetwork> networks;
  /// Control nets and pictures that are followed, in order. Where there are none, those of a
  /// drawing act in targets alone, but for direct inversion.
  std::vector<InversionAddition> controls, image_prompts;
};

/// Numbers in C order.
struct InversionTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;

  bool empty() const { return shape.empty(); }
};

/// A `*.inv.safetensors`: how one picture is drawn again, S steps with the noisiest first.
struct InversionFile : InversionFacts {
  std::vector<double> alphas;     // [S+1] ᾱ of each of the path's latents, rising
  std::vector<double> timesteps;  // [S] at which the steps begin
  InversionTensor path;           // [S+1,C,h,w] as DDPM scales them; the last are the picture's
  InversionTensor context;        // [K,D] of the prompt
  InversionTensor unconditional;  // [S,K,D] null-text: of each step; else empty
  InversionTensor noises;         // [S,C,h,w] edit-friendly: of each step; else empty
  /// [1,C,h,w] null-text that is not finished, whose `unconditional` has fewer steps: where drawing
  /// is behind those.
  InversionTensor latents;

  int64_t height() const { return path.shape[2]; }  // of latents
  int64_t width() const { return path.shape[3]; }
};

/// Reads one. Throws IoError; CheckpointError for what is none, is cut, has tensors of other shapes
/// or dtypes than these, values that are not finite, or noise levels that do not fall.
InversionFile read_inversion(const std::filesystem::path& path);
/// The same of a file's bytes; `label` is what to call it in messages.
InversionFile parse_inversion(std::span<const std::byte> bytes, const std::string& label);

/// Writes one, whole or not at all. Throws IoError, also if `path` is there already and is not to
/// be overwritten.
void write_inversion(const std::filesystem::path& path, const InversionFile& inversion,
                     bool overwrite = false);

/// Whether the file says that it is one; false for what cannot be read.
bool looks_like_inversion(const std::filesystem::path& path);

}  // namespace sd
