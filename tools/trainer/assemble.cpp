#include "trainer/assemble.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "sd/core/atomic_file.h"
#include "sd/core/mapped_file.h"
#include "sd/core/noise_source.h"
#include "sd/image/png.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/txt2img.h"
#include "sd/text/clip_tokenizer.h"
#include "weights/seen_words.h"

namespace sd::train {
namespace {

constexpr int64_t kSheetColumns = 8;

/// Most of CLIP's words have no row of their own: a quarter of the file.
void leave_out_unseen_words(TensorMap& weights) {
  const std::string rows_name(kSeenWords);
  auto& embedding = weights.at(rows_name.substr(0, rows_name.rfind('.')) + ".weight");
  const auto rows = embedding.ne(0).any(1).nonzero().squeeze(1);
  embedding = embedding.index_select(0, rows);
  weights[rows_name] = rows.to(at::kInt);
}

}  // namespace

TensorMap assemble(const FlatParameters& parameters, const torch::Tensor& flat,
                   const CompactVocabulary& vocabulary, const TensorMap& vae) {
  TensorMap weights = vae;
  for (const auto& entry : parameters.entries()) {
    const auto value = FlatParameters::view(flat, entry).detach().cpu();
    const bool words = entry.name.ends_with("token_embedding.weight");
    weights[entry.name] = words ? vocabulary.expand(value) : value.clone();
  }
  return weights;
}

LoadedModel ready_to_draw(const RunContext& run, const TensorMap& weights) {
  const c10::InferenceMode inference;
  LoadedModel loaded;
  loaded.config = run.recipe.model;
  loaded.tokenizer = make_tokenizer(loaded.config.text);
  LatentDiffusion model(loaded.config);
  for (auto& slot : parameter_slots(*model)) slot.bind(weights.at(slot.name).clone());
  loaded.model = model.ptr();
  loaded.format = "safetensors";
  loaded.device = "cpu";
  loaded.dtype = "f32";
  return loaded;
}

void draw_sheet(const RunContext& run, const TensorMap& weights,
                const std::filesystem::path& path) {
  Txt2ImgRequest request;
  request.prompts = run.recipe.sheet_prompts;
  if (request.prompts.empty()) return;
  request.width = request.height = run.recipe.model.default_pixels();
  request.steps = 25;
  request.guidance_scale = 5;
  SeededNoise noise(0, RngChoice::kCpu, torch::kCPU);
  const auto drawn = txt2img(ready_to_draw(run, weights), request, noise);
  make_writable_folder(path.parent_path());
  write_file(path, encode_png(make_grid(drawn.pictures, kSheetColumns)), /*overwrite=*/true);
}

void export_model(const RunContext& run, const TensorMap& weights,
                  const std::filesystem::path& folder) {
  TensorMap halved;
  for (const auto& [name, value] : weights) halved[name] = value.to(at::kHalf);
  leave_out_unseen_words(halved);
  make_writable_folder(folder);
  write_tensor_file(folder / "model.safetensors", halved, {{"made_by", "sd-train"}});
  const auto yaml = MappedFile::open(run.recipe.model_yaml);
  write_file(folder / "model.yaml", yaml->bytes(), /*overwrite=*/true);
  run.say(fmt::format("exported {}", (folder / "model.safetensors").string()));
}

}  // namespace sd::train
