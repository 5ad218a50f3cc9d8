// Textual inversion against what diffusers makes of the same embeddings
// (tests/tools/make_embedding_values.py), and the rules of AUTOMATIC1111's web UI.
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "pipeline/encode.h"
#include "pipeline/prompt_contexts.h"
#include "sd/core/error.h"
#include "sd/pipeline/embeddings.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/vocabulary.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::tiny_model;

/// As make_embedding_values.py makes them.
WordEmbedding embedding(const std::string& name, int64_t vectors, int64_t seed,
                        int64_t width = 32) {
  WordEmbedding made{name, "", vectors, width, {}};
  for (int64_t i = 0; i < vectors * width; ++i)
    made.values.push_back(static_cast<float>((i * 7919 + seed) % 1021 - 510) / 1024.0F);
  return made;
}

std::shared_ptr<const EmbeddedWords> words_of(std::vector<WordEmbedding> embeddings) {
  return with_embeddings(tiny_model().tokenizer, tiny_model().config.text, std::move(embeddings));
}

Txt2ImgRequest request_of(const Golden& golden) {
  Txt2ImgRequest request;
  request.prompts = {"a photo of a <toy> on a table"};
  request.negative_prompt = "blurry, <bad>";
  request.width = request.height = 64;
  request.steps = 4;
  request.start_latents = golden["noise"];
  request.decode = false;
  request.embeddings = words_of({embedding("<toy>", 3, 13), embedding("<bad>", 1, 401)});
  return request;
}

torch::Tensor context_of(const std::string& prompt, PromptSyntax syntax,
                         std::shared_ptr<const EmbeddedWords> words) {
  const c10::InferenceMode inference;
  DrawRequest request;
  request.targets = {{prompt}};
  request.prompt_syntax = syntax;
  request.embeddings = std::move(words);
  const BatchNetworks none;
  PromptContexts contexts(tiny_model(), request, 10, none);
  contexts.add(request.targets[0]);
  return contexts.at(0);
}

TEST(Embeddings, ContextsAreThoseOfDiffusers) {
  const c10::InferenceMode inference;
  const Golden golden("goldens/embeddings.safetensors");
  const auto request = request_of(golden);
  const auto both = {std::pair{request.prompts[0], "context"},
                     std::pair{request.negative_prompt, "negative"}};
  for (const auto& [prompt, name] : both) {
    const auto context = context_of(prompt, PromptSyntax::kPlain, request.embeddings);
    EXPECT_LT(relative_difference(context.slice(1, 0, 77, 5), golden[name]), 1e-5) << name;
  }
}

// Two programs sum in different orders, which guidance of 7.5 and four steps multiply.
TEST(Embeddings, LatentsAreThoseOfDiffusers) {
  const Golden golden("goldens/embeddings.safetensors");
  const auto drawn = draw_prompts(tiny_model(), request_of(golden));
  EXPECT_LT(relative_difference(drawn.latents, golden["latents"]), 1e-4);
}

TEST(Embeddings, AWordOfNoPromptChangesNothing) {
  auto request = request_of(Golden("goldens/embeddings.safetensors"));
  request.prompts = {"a cat"};
  request.negative_prompt = "blurry";
  const auto with = draw_prompts(tiny_model(), request).latents;
  request.embeddings = nullptr;
  EXPECT_TRUE(draw_prompts(tiny_model(), request).latents.equal(with));
}

TEST(Embeddings, EmphasisMultipliesEveryVectorsPlace) {
  const auto words = words_of({embedding("<toy>", 3, 13)});
  const auto plain = context_of("a <toy> here", PromptSyntax::kPlain, words);
  auto weights = torch::ones({1, 77, 1}, test::device());
  for (const int64_t place : {2, 3, 4}) weights[0][place] = 1.5;
  const auto weighed = plain * weights;
  const auto expected = weighed * (plain.mean() / weighed.mean());
  const auto found = context_of("a (<toy>:1.5) here", PromptSyntax::kA1111, words);
  EXPECT_LT(relative_difference(found, expected), 1e-6);
}

TEST(Embeddings, IdsBehindTheVocabularyCountAsLearnt) {
  const auto words = words_of({embedding("<toy>", 2, 13)});
  const auto first = words->first_id();
  EXPECT_EQ(learnt_ids(tiny_model(), {320, first, first + 1}),
            (std::vector<bool>{true, true, true}));
}

TEST(Embeddings, AnotherFamilysWidthIsRefusedWithBothNumbers) {
  test::expect_error<CheckpointError>([] { words_of({embedding("<toy>", 1, 1, 768)}); }, "'<toy>'",
                                      "768 (Stable Diffusion v1)", "32");
}

}  // namespace
}  // namespace sd
