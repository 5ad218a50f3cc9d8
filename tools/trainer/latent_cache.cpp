#include "trainer/latent_cache.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/models/vae.h"
#include "sd/text/clip_tokenizer.h"
#include "trainer/picture_batches.h"
#include "trainer/stage_clock.h"

namespace sd::train {
namespace {

constexpr int64_t kEncodeBatch = 16;
constexpr int64_t kTokens = 77;
constexpr uint64_t kSceneSeed = 1;  // other scenes than those the autoencoder saw

std::filesystem::path chunk_path(const RunContext& run, int64_t chunk) {
  return run.folder / "latents" / fmt::format("{:04}.safetensors", chunk);
}

/// Tells one autoencoder from another by a sum over its weights.
std::string fingerprint(const TensorMap& vae) {
  double sum = 0;
  for (const auto& [name, value] : vae) sum += value.to(at::kDouble).abs().sum().item<double>();
  return fmt::format("{:.6f}", sum);
}

bool is_current(const std::filesystem::path& path, const std::string& wanted) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  try {
    return read_tensor_file(path).text("vae") == wanted;
  } catch (const CheckpointError&) {
    return false;  // made anew
  }
}

TokenGroup group_of(const CaptionWord& word) {
  switch (word.role) {
    case WordRole::kObject:
      return word.object == 0 ? TokenGroup::kObject0 : TokenGroup::kObject1;
    case WordRole::kTint:
      return word.object == 0 ? TokenGroup::kTint0 : TokenGroup::kTint1;
    case WordRole::kBackground:
      return TokenGroup::kBackground;
    case WordRole::kPlace:
      break;
  }
  return TokenGroup::kOther;
}

/// [2,S,S] uint8: the objects' masks, empty where there is no object.
torch::Tensor masks_of(const Scene& scene) {
  const int64_t side = scene.picture.width;
  auto masks = at::zeros({2, side, side}, at::kByte);
  auto* out = masks.mutable_data_ptr<uint8_t>();
  for (const auto& object : scene.objects) {
    std::memcpy(out, object.mask.data(), object.mask.size());
    out += side * side;
  }
  return masks;
}

TensorMap encode_chunk(const RunContext& run, const SceneGenerator& scenes, Vae& vae, int64_t first,
                       int64_t count) {
  auto ids = at::zeros({count, kTokens}, at::kInt);
  auto groups = at::zeros({count, kTokens}, at::kByte);
  std::vector<torch::Tensor> latents, masks;
  for (int64_t begin = 0; begin < count && !run.stop_requested(); begin += kEncodeBatch) {
    std::vector<Scene> batch;
    std::vector<const Image*> pictures;
    std::vector<torch::Tensor> batch_masks;
    const int64_t size = std::min(kEncodeBatch, count - begin);
    for (int64_t i = 0; i < size; ++i) {
      batch.push_back(
          scenes.make(kSceneSeed, static_cast<uint64_t>(first + begin + i), Split::kTrain));
      tokenize_caption(batch.back(), kTokens,
                       ids.mutable_data_ptr<int32_t>() + (begin + i) * kTokens,
                       groups.mutable_data_ptr<uint8_t>() + (begin + i) * kTokens);
      batch_masks.push_back(masks_of(batch.back()));
    }
    for (const auto& scene : batch) pictures.push_back(&scene.picture);
    const auto z = vae->encode(to_tensor(pictures)).mean * run.recipe.model.scale_factor;
    const int64_t factor = run.recipe.model.vae.factor();
    latents.push_back(z.to(at::kHalf).contiguous());
    masks.push_back(at::avg_pool2d(at::stack(batch_masks).to(at::kFloat), {factor, factor})
                        .round()
                        .to(at::kByte));
  }
  if (run.stop_requested()) return {};
  return {
      {"latents", at::cat(latents)}, {"ids", ids}, {"groups", groups}, {"masks", at::cat(masks)}};
}

}  // namespace

TokenGroup group_of(const std::vector<CaptionWord>& words, const Token& token) {
  const auto word = std::find_if(words.begin(), words.end(), [&](const CaptionWord& candidate) {
    return token.begin < candidate.end && candidate.begin < token.end;
  });
  return word == words.end() ? TokenGroup::kOther : group_of(*word);
}

void tokenize_caption(const Scene& scene, int64_t length, int32_t* ids, uint8_t* groups) {
  const auto prompt = ClipTokenizer::instance().encode(scene.caption, length);
  std::copy(prompt.ids.begin(), prompt.ids.end(), ids);
  std::fill(groups, groups + length, uint8_t{0});
  for (std::size_t t = 0; t < prompt.tokens.size(); ++t) {
    groups[t + 1] =  // BOS stands at 0
        static_cast<uint8_t>(group_of(scene.words, prompt.tokens[t]));
  }
}

bool encode_scenes(const RunContext& run, const SceneGenerator& scenes, const TensorMap& weights) {
  const c10::InferenceMode inference;
  const auto& stage = run.recipe.latents;
  make_writable_folder(run.folder / "latents");
  const auto mark = fingerprint(weights);
  Vae vae(run.recipe.model.vae);
  for (auto& slot : parameter_slots(*vae)) slot.bind(weights.at("first_stage_model." + slot.name));
  Position position;
  StageClock clock(run, "latents", stage.scenes, position);
  for (int64_t chunk = 0; chunk * stage.chunk < stage.scenes; ++chunk) {
    const int64_t first = chunk * stage.chunk;
    const int64_t count = std::min(stage.chunk, stage.scenes - first);
    if (!is_current(chunk_path(run, chunk), mark)) {
      const auto encoded = encode_chunk(run, scenes, vae, first, count);
      if (encoded.empty()) return false;
      write_tensor_file(chunk_path(run, chunk), encoded, {{"vae", mark}});
    }
    clock.count(count, {}, 0, 0);
  }
  return true;
}

EncodedScenes read_encoded_scenes(const RunContext& run) {
  std::vector<TensorFile> files;
  std::error_code ignored;
  for (int64_t chunk = 0; std::filesystem::exists(chunk_path(run, chunk), ignored); ++chunk) {
    files.push_back(read_tensor_file(chunk_path(run, chunk)));
  }
  if (files.empty()) {
    throw UsageError(fmt::format("{}: there are no encoded scenes\nRun `sd-train latents` first.",
                                 (run.folder / "latents").string()));
  }
  const auto all = [&](const std::string& name) {
    std::vector<torch::Tensor> parts;
    for (const auto& file : files) parts.push_back(file.at(name));
    return at::cat(parts);
  };
  return {all("latents"), all("ids"), all("groups"), all("masks")};
}

}  // namespace sd::train
