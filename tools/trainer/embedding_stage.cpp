#include "trainer/embedding_stage.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "pipeline/device.h"
#include "sd/core/error.h"
#include "sd/pipeline/embeddings.h"
#include "sd/text/embedded_words.h"
#include "trainer/adapter_training.h"

namespace sd::train {
namespace {

constexpr const char* kVectors = "vectors";

OptimizerSettings embedding_optimizer() {
  OptimizerSettings settings;
  settings.beta2 = 0.999;
  settings.weight_decay = 0;  // vectors are as long as a word's
  return settings;
}

/// The text encoder's own vectors, [V,width] float32.
torch::Tensor word_table(TextEncoderImpl& text) {
  for (const auto& item : text.named_parameters()) {
    if (item.key().ends_with("token_embedding.weight") || item.key().ends_with("token_emb.weight"))
      return item.value();
  }
  throw Error("the text encoder has no table of words");
}

/// [vectors,width]: those of the words, each as often as fits, in their order.
torch::Tensor first_vectors(FrozenModel& model, const EmbeddingSettings& settings) {
  std::vector<int64_t> ids;
  for (const auto& token : model.tokenizer->tokenize(settings.begin)) ids.push_back(token.id);
  if (ids.empty())
    throw UsageError("--init: expected one word or more, whose vectors the new ones begin with");
  std::vector<int64_t> chosen;
  const auto count = static_cast<int64_t>(ids.size());
  for (int64_t i = 0; i < settings.vectors; ++i) {
    const int64_t at = settings.vectors > count ? i * count / settings.vectors : i;
    chosen.push_back(ids[static_cast<std::size_t>(at)]);
  }
  const auto table = word_table(*model.model->text);
  const auto rows =
      table.index_select(0, at::tensor(chosen, at::kLong).to(table.device())).to(at::kFloat);
  if (rows.eq(0).all(1).any().item<bool>()) {
    throw UsageError(fmt::format(
        "--init {}: the model has not learnt all of these words\nName one that it knows.",
        settings.begin));
  }
  return rows;
}

/// The model's tokenizer with the word in it.
std::shared_ptr<const EmbeddedWords> with_word(const FrozenModel& model,
                                               const EmbeddingSettings& settings) {
  WordEmbedding word;
  word.name = settings.word;
  word.vectors = settings.vectors;
  word.width = model.config.text.width;
  word.values.resize(static_cast<std::size_t>(word.vectors * word.width));
  return with_embeddings(model.tokenizer, model.config.text, {word});
}

void require_word(const EmbeddedWords& words, const std::vector<CaptionedPicture>& pictures,
                  const std::string& word) {
  for (const auto& [path, caption] : pictures) {
    const auto tokens = words.encode(caption, words.length()).tokens;
    const auto is_word = [&](const Token& token) { return token.id >= words.first_id(); };
    if (std::ranges::any_of(tokens, is_word)) continue;
    throw UsageError(fmt::format(
        "{}: its caption '{}' lacks the word '{}' that is to be learnt\nWrite captions "
        "that have it between spaces, or leave them out: \"a photo of {}\" is taken then.",
        path.string(), caption, word, word));
  }
}

void write_embedding(const std::filesystem::path& path, const torch::Tensor& vectors,
                     const EmbeddingSettings& settings, const FrozenModel& model, int64_t steps) {
  write_tensor_file(path, {{settings.word, vectors.detach()}},
                    {{"format", "pt"},
                     {"name", settings.word},
                     {"step", fmt::format("{}", steps)},
                     {"sd_checkpoint_name", model.main_file.stem().string()}});
}

}  // namespace

bool train_embedding(const RunContext& run, const EmbeddingSettings& chosen) {
  auto settings = chosen;
  if (!settings.caption) settings.caption = "a photo of " + settings.word;
  const auto dtype = resolve_precision(settings.dtype, run.device).compute;
  auto model = load_frozen(settings.model, run.device, dtype);
  const auto words = with_word(model, settings);
  const auto begin = first_vectors(model, settings);
  require_word(*words, read_caption_folder(settings.data, settings.caption), settings.word);
  const auto pictures = adapter_pictures(run, model, settings);
  if (!pictures) return false;
  const DenoisingTask task(model.config, settings, pictures->data, pictures->prior);

  torch::Tensor vectors;
  FlatParameters parameters(
      {{kVectors, begin.sizes().vec(), [&](torch::Tensor value) { vectors = value; }}}, run.device);
  {
    const c10::AutoGradMode no_gradients(false);
    vectors.copy_(begin);
  }
  const nlohmann::ordered_json own = {
      {"word", settings.word}, {"init", settings.begin}, {"vectors", settings.vectors}};
  Adapter adapter{"embedding",
                  parameters,
                  embedding_optimizer(),
                  settings_text(settings, model, *pictures, own.dump()),
                  {},
                  {}};
  adapter.predict = [&](const NoisyBatch& batch) {
    const auto ids = caption_ids(model, *words, captions_of(batch, *pictures));
    const auto context =
        model.model->text->forward(ids, at::kFloat, 0, {vectors, words->first_id()});
    return predict_noise(model, batch, context);
  };
  adapter.write = [&](const std::filesystem::path& path, int64_t steps) {
    write_embedding(path, vectors, settings, model, steps);
  };
  return train_adapter(run, settings, task, adapter);
}

}  // namespace sd::train
