#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/weights/write_safetensors.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"
#include "weights/seen_words.h"

namespace sd {
namespace {

constexpr const char* kEmbedding =
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";

/// A file with two rows of width 3, and the ids of those rows.
class SeenWords : public testing::Test {
 protected:
  std::unique_ptr<TensorSource> open(std::vector<int32_t> ids,
                                     std::vector<int64_t> shape = {2, 3}) const {
    const std::vector<float> rows = {1, 2, 3, 4, 5, 6};
    const std::vector<int64_t> ids_shape = {static_cast<int64_t>(ids.size())};
    const std::vector<NamedTensor> tensors = {
        {kEmbedding, view(DType::kF32, shape, std::as_bytes(std::span(rows)))},
        {std::string(kSeenWords), view(DType::kI32, ids_shape, std::as_bytes(std::span(ids)))}};
    const auto path = folder_ / "model.safetensors";
    write_safetensors(path, tensors, {}, /*overwrite=*/true);
    return open_weight_file(path).tensors;
  }

  static TensorView view(DType dtype, const std::vector<int64_t>& shape,
                         std::span<const std::byte> bytes) {
    TensorView made;
    made.dtype = dtype;
    made.shape = shape;
    made.bytes = bytes;
    return made;
  }

  test::TempFolder folder_;
};

TEST_F(SeenWords, StandInTheirPlacesAmongZeros) {
  const auto tensors = open({7, 49407});
  EXPECT_EQ(tensors->names(), std::vector<std::string>{kEmbedding});
  EXPECT_FALSE(tensors->contains(kSeenWords));
  EXPECT_EQ(tensors->describe(kEmbedding).shape, (std::vector<int64_t>{49408, 3}));
  const auto whole = tensors->at(kEmbedding);
  ASSERT_EQ(whole.bytes.size(), 49408u * 3 * sizeof(float));
  std::vector<float> values(49408 * 3);
  std::memcpy(values.data(), whole.bytes.data(), whole.bytes.size());
  std::vector<float> expected(values.size());
  for (std::size_t i = 0; i < 3; ++i) {
    expected[7 * 3 + i] = static_cast<float>(i + 1);
    expected[49407 * 3 + i] = static_cast<float>(i + 4);
  }
  EXPECT_EQ(values, expected);
}

TEST_F(SeenWords, OfOtherNumbersOrOrderAreDamage) {
  for (const auto& ids :
       std::vector<std::vector<int32_t>>{{7}, {7, 7}, {8, 7}, {-1, 7}, {7, 49408}, {1, 2, 3}})
    EXPECT_THROW(open(ids), CheckpointError);
  EXPECT_THROW(open({1, 2}, {6}), CheckpointError);
}

}  // namespace
}  // namespace sd
