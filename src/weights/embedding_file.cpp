#include "sd/weights/embedding_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "weights/ckpt_source.h"
#include "weights/family.h"
#include "weights/legacy_ckpt_source.h"
#include "weights/nested_tensors.h"
#include "weights/safetensors_source.h"
#include "weights/sniff.h"
#include "weights/tensor_pieces.h"

namespace sd {
namespace {

constexpr std::string_view kTrained = "string_to_param";  // AUTOMATIC1111's .pt
constexpr std::string_view kConverted = "emb_params";     // its .safetensors
constexpr std::string_view kAnyToken = "*";
constexpr uint64_t kMostBytes = uint64_t{64} << 20;  // an embedding of 75 vectors has 300 kB

/// Names of a lone tensor that are no token.
constexpr std::array<std::string_view, 6> kNoTokens = {"*",      "emb_params", "weight",
                                                       "tensor", "embedding",  "clip_l"};

[[noreturn]] void fail(const std::string& label, std::string_view message) {
  throw CheckpointError(fmt::format("{}: {}", label, message));
}

std::string text_at(const pickle::Document& document, const pickle::Dict& dict,
                    std::string_view key) {
  const auto* value = child(document, dict, key);
  const auto* text = value ? std::get_if<pickle::Text>(value) : nullptr;
  return text ? std::string(text->utf8) : std::string();
}

/// The dictionary of a value: itself, or the parameters of a torch.nn.ParameterDict.
const pickle::Dict* parameters_of(const pickle::Document& document, const pickle::Value& value) {
  if (const auto* dict = std::get_if<pickle::Dict>(&value)) return dict;
  const auto* made = std::get_if<pickle::Placeholder>(&value);
  if (!made || made->name != "ParameterDict" || !made->state) return nullptr;
  const auto* state = document.get_if<pickle::Dict>(*made->state);
  const auto* inner = state ? child(document, *state, "_parameters") : nullptr;
  return inner ? std::get_if<pickle::Dict>(inner) : nullptr;
}

/// What a pickle tells of its embedding beside the tensor.
struct Told {
  bool trained = false;  // it is AUTOMATIC1111's
  EmbeddingFile embedding;
};

std::vector<NestedTensors> find_embedding(const pickle::Document& document, const pickle::Dict& top,
                                          Told& told) {
  const auto* trained = child(document, top, kTrained);
  if (!trained) return {{"", &top}};
  told.trained = true;
  auto& embedding = told.embedding;
  embedding.trained_on = text_at(document, top, "sd_checkpoint_name");
  embedding.trained_on_hash = text_at(document, top, "sd_checkpoint");
  const auto* step = child(document, top, "step");
  if (const auto* number = step ? std::get_if<int64_t>(step) : nullptr) embedding.step = *number;
  const auto* parameters = parameters_of(document, *trained);
  if (!parameters) return {};
  return {{"", parameters}};
}

std::unique_ptr<TensorSource> open_embedding(std::span<const std::byte> file,
                                             const std::string& label, Told& told) {
  const FileBytes bytes{file, nullptr, nullptr};
  const FindTensors find = [&told](const pickle::Document& document, const pickle::Dict& top) {
    return find_embedding(document, top, told);
  };
  switch (sniff(file, label)) {
    case FileKind::kZip:
      return open_ckpt(bytes, label, nullptr, &find);
    case FileKind::kLegacyCkpt:
      return open_legacy_ckpt(bytes, label, nullptr, &find);
    case FileKind::kSafetensors:
      return open_safetensors(bytes, label);
    case FileKind::kGguf:
      break;
  }
  fail(label, "a GGUF file, and no embedding comes as one; give a .pt, .bin or .safetensors");
}

/// Which tensor is the embedding.
std::string tensor_of(const TensorSource& tensors, const Told& told) {
  const auto& names = tensors.names();
  if (tensors.contains("clip_g")) {
    fail(tensors.label(),
         "an embedding of Stable Diffusion XL, which has two text encoders\n"
         "    Take the one that was trained for the model's family, Stable Diffusion v1 or v2.");
  }
  if (told.trained && tensors.contains(kAnyToken)) return std::string(kAnyToken);
  if (!told.trained && tensors.contains(kConverted)) return std::string(kConverted);
  if (names.size() == 1) return names.front();
  if (names.empty()) {
    fail(tensors.label(), told.trained ? "an embedding without a tensor in it"
                                       : "expected an embedding, found no tensor");
  }
  if (told.trained) {
    fail(tensors.label(), fmt::format("an embedding of {} words ('{}', '{}', …), expected one",
                                      names.size(), names[0], names[1]));
  }
  fail(tensors.label(), fmt::format("expected an embedding, one tensor; found {} tensors: {}",
                                    names.size(), guess_family(tensors).name));
}

std::string layout_of(const Told& told, const std::string& tensor) {
  if (told.trained) return "A1111 .pt";
  if (tensor == kConverted) return "A1111 .safetensors";
  return std::find(kNoTokens.begin(), kNoTokens.end(), tensor) == kNoTokens.end() ? "diffusers"
                                                                                  : "one tensor";
}

void read_values(const TensorSource& tensors, const std::string& name, EmbeddingFile& embedding) {
  const auto view = tensors.at(name);
  check_embedding_shape(view.shape, tensors.label());
  if (!is_floating(view.dtype)) {
    fail(tensors.label(), fmt::format("the embedding '{}' is {}, expected floating-point numbers",
                                      name, name_of(view.dtype)));
  }
  embedding.vectors = view.shape.size() == 2 ? view.shape[0] : 1;
  embedding.width = view.shape.back();
  embedding.values.resize(static_cast<std::size_t>(embedding.vectors * embedding.width));
  auto* to = reinterpret_cast<std::byte*>(embedding.values.data());
  TensorPieces pieces(view, DType::kF32);
  for (auto piece = pieces.next(); !piece.empty(); piece = pieces.next()) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  check_embedding_values(embedding, tensors.label());
}

}  // namespace

EmbeddingFile parse_embedding_weights(std::span<const std::byte> file, const std::string& label) {
  Told told;
  const auto tensors = open_embedding(file, label, told);
  const auto name = tensor_of(*tensors, told);
  auto embedding = std::move(told.embedding);
  embedding.layout = layout_of(told, name);
  if (embedding.layout == "diffusers") embedding.alias = name;
  read_values(*tensors, name, embedding);
  return embedding;
}

EmbeddingFile read_embedding_weights(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  if (file->bytes().size() > kMostBytes) {
    fail(path.string(), fmt::format("{} bytes, and an embedding has {} at most: is it a model?",
                                    file->bytes().size(), kMostBytes));
  }
  return parse_embedding_weights(file->bytes(), path.string());
}

bool looks_like_embedding(const std::filesystem::path& path) {
  try {
    const auto file = MappedFile::open(path);
    if (file->bytes().size() > kMostBytes) return false;
    Told told;
    const auto tensors = open_embedding(file->bytes(), path.string(), told);
    if (told.trained || tensors->contains(kConverted) || tensors->contains("clip_g")) return true;
    const auto& names = tensors->names();
    if (names.size() != 1) return false;
    const auto shape = tensors->describe(names.front()).shape;
    const bool vectors = shape.size() == 1 || shape.size() == 2;
    return names.front().starts_with('<') || (vectors && !family_of_width(shape.back()).empty());
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sd
