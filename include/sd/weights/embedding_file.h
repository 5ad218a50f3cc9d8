#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "sd/core/word_embedding.h"

namespace sd {

/// Reads an embedding from tensors: what AUTOMATIC1111's web UI trains (.pt with string_to_param,
/// .safetensors with emb_params), what diffusers trains (one tensor named by its token, in a .bin
/// or a .safetensors), and any other file of one tensor. `name` is empty there, `alias` the token.
/// Throws IoError or CheckpointError, also for another model's (Stable Diffusion XL has two
/// encoders), values that are not finite, and too many vectors.
EmbeddingFile read_embedding_weights(const std::filesystem::path& path);
/// The same of a file's bytes; `label` is what to call it in messages.
EmbeddingFile parse_embedding_weights(std::span<const std::byte> file, const std::string& label);

/// Whether what is in the file looks like an embedding, and not like a model: by its names alone.
/// False for what cannot be read.
bool looks_like_embedding(const std::filesystem::path& path);

}  // namespace sd
