#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "sd/core/error.h"
#include "weights/tensor_pieces.h"

namespace sd {
namespace {

template <typename T>
TensorView view_of(DType dtype, const std::vector<T>& values, std::vector<int64_t> shape) {
  TensorView view;
  view.dtype = dtype;
  view.shape = std::move(shape);
  view.bytes = std::as_bytes(std::span(values));
  return view;
}

template <typename T>
std::vector<T> all_of(TensorPieces pieces) {
  std::vector<T> all;
  for (auto bytes = pieces.next(); !bytes.empty(); bytes = pieces.next()) {
    const auto before = all.size();
    all.resize(before + bytes.size() / sizeof(T));
    std::memcpy(all.data() + before, bytes.data(), bytes.size());
  }
  return all;
}

TEST(TensorPieces, GiveEveryElementOnceHoweverMany) {
  std::vector<float> values((std::size_t{1} << 20) * 2 + 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const auto view = view_of(DType::kF32, values, {static_cast<int64_t>(values.size())});
  EXPECT_EQ(all_of<float>({view, DType::kF32}), values);
  EXPECT_EQ(all_of<double>({view, DType::kF64}), std::vector<double>(values.begin(), values.end()));
}

TEST(TensorPieces, FollowStrides) {
  const std::vector<uint16_t> stored = {1, 2, 3, 4, 5, 6};
  auto view = view_of(DType::kI16, stored, {3, 2});  // [2,3] transposed
  view.strides = {1, 3};
  EXPECT_EQ(all_of<uint16_t>({view, DType::kI16}), (std::vector<uint16_t>{1, 4, 2, 5, 3, 6}));
}

TEST(TensorPieces, RoundBetweenFormats) {
  const std::vector<float> values = {1.0f, -2.5f, 1.0f + 0x1p-11f, 1.0f + 0x1.8p-10f};
  const auto view = view_of(DType::kF32, values, {4});
  EXPECT_EQ(all_of<uint16_t>({view, DType::kF16}),
            (std::vector<uint16_t>{0x3c00, 0xc100, 0x3c00, 0x3c02}));
  EXPECT_EQ(all_of<uint16_t>({view, DType::kBF16}),
            (std::vector<uint16_t>{0x3f80, 0xc020, 0x3f80, 0x3f80}));
  const std::vector<uint16_t> halves = {0x3c00, 0x0001};
  EXPECT_EQ(all_of<float>({view_of(DType::kF16, halves, {2}), DType::kF32}),
            (std::vector<float>{1.0f, 0x1p-24f}));
}

TEST(TensorPieces, ReportWhatBecomesInfinite) {
  const auto overflow = [](std::vector<float> values, DType dtype) {
    TensorPieces pieces(view_of(DType::kF32, values, {static_cast<int64_t>(values.size())}), dtype);
    while (!pieces.next().empty()) {
    }
    return pieces.overflow();
  };
  EXPECT_FALSE(overflow({65504.0f, -65519.0f}, DType::kF16));
  EXPECT_EQ(overflow({1.0f, -65520.0f, 1e6f}, DType::kF16), -65520.0);
  EXPECT_FALSE(overflow({1e6f}, DType::kBF16));
  EXPECT_FALSE(overflow({std::numeric_limits<float>::infinity()}, DType::kF16));
}

TEST(TensorPieces, LeaveIntegersAlone) {
  const std::vector<int64_t> ids = {1, 2};
  const auto view = view_of(DType::kI64, ids, {1, 2});
  EXPECT_EQ(all_of<int64_t>({view, DType::kI64}), ids);
  EXPECT_THROW((TensorPieces{view, DType::kF16}), CheckpointError);
  EXPECT_TRUE(
      all_of<float>({view_of(DType::kF32, std::vector<float>(), {0, 4}), DType::kF32}).empty());
}

}  // namespace
}  // namespace sd
