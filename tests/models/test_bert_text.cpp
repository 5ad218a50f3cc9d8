#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "sd/models/bert_text.h"
#include "sd/weights/load_weights.h"
#include "support/golden.h"
#include "support/tiny_laion.h"

namespace sd {
namespace {

/// The small text encoder of the tests.
BertText tiny_bert(const TensorSource& tensors) {
  BertText bert(TextConfig{.encoder = TextEncoderKind::kBert,
                           .width = 32,
                           .layers = 2,
                           .heads = 8,
                           .vocabulary = 30522,
                           .feed_forward = 128});
  auto slots = parameter_slots(*bert);
  for (auto& slot : slots) slot.name = "cond_stage_model.transformer." + slot.name;
  load_weights(slots, tensors, {});
  return bert;
}

TEST(BertText, ContextEqualsTheOriginals) {
  const c10::InferenceMode inference;
  const test::TinyLaion model;
  const auto opened = open_model(model.checkpoint());
  auto bert = tiny_bert(*opened.tensors);
  const test::Golden golden("goldens/laion.safetensors");
  const auto context = bert->forward(golden["ids"]);
  // Sums of at most 512 products in float32, over two layers.
  EXPECT_LT(test::relative_difference(context, golden["context"]), 1e-5);
}

TEST(BertText, PaddingIsLookedAt) {
  // The original passes no mask, so what stands behind the end changes the words before it.
  const c10::InferenceMode inference;
  const test::TinyLaion model;
  const auto opened = open_model(model.checkpoint());
  auto bert = tiny_bert(*opened.tensors);
  const auto ids = test::Golden("goldens/laion.safetensors")["ids"].narrow(0, 0, 1);
  const auto shorter = bert->forward(ids.narrow(1, 0, 20));
  const auto whole = bert->forward(ids).narrow(1, 0, 20);
  EXPECT_GT(test::relative_difference(shorter, whole), 1e-3);
}

TEST(BertText, MoreIdsThanPositionsAreRefused) {
  const BertText bert(TextConfig{.encoder = TextEncoderKind::kBert, .width = 32, .layers = 1});
  EXPECT_THROW(bert.ptr()->forward(at::zeros({1, 78}, at::kLong)), UsageError);
}

}  // namespace
}  // namespace sd
