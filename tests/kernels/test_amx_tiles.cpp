// The micro-kernel for AMX on a CPU that need not have it: its file is compiled here once more with
// functions in place of the instructions, which do what Intel's manual (volume 2) says of them.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "kernels/gemm_tables.h"
#include "kernels/kernel_test.h"

namespace sd::kernels::emulated {

struct Tile {
  int rows = 0, bytes = 0;
  alignas(64) unsigned char data[16][64] = {};
};
Tile tiles[8];
bool configured = false;

/// Takes the shape and clears all tiles, as LDTILECFG does.
void configure(const void* memory) {
  const auto* bytes = static_cast<const unsigned char*>(memory);
  ASSERT_EQ(bytes[0], 1) << "palette";
  for (int i = 0; i < 8; ++i) {
    uint16_t width = 0;
    std::memcpy(&width, bytes + 16 + 2 * i, 2);
    tiles[i] = Tile{bytes[48 + i], width, {}};
    ASSERT_LE(tiles[i].rows, 16);
    ASSERT_LE(tiles[i].bytes, 64);
  }
  configured = true;
}

void load(int tile, const void* memory, int64_t stride) {
  ASSERT_TRUE(configured);
  auto& t = tiles[tile];
  std::memset(t.data, 0, sizeof t.data);
  for (int row = 0; row < t.rows; ++row) {
    std::memcpy(t.data[row], static_cast<const char*>(memory) + row * stride,
                static_cast<std::size_t>(t.bytes));
  }
}

void store(int tile, void* memory, int64_t stride) {
  ASSERT_TRUE(configured);
  for (int row = 0; row < tiles[tile].rows; ++row) {
    std::memcpy(static_cast<char*>(memory) + row * stride, tiles[tile].data[row],
                static_cast<std::size_t>(tiles[tile].bytes));
  }
}

/// sums += a b, where a tile's row is pairs of a's row, and of b's row a pair for each column.
void multiply(int sums, int a, int b) {
  ASSERT_TRUE(configured);
  auto &c = tiles[sums], &left = tiles[a], &right = tiles[b];
  // The instruction raises #UD where shapes do not fit each other.
  ASSERT_EQ(c.rows, left.rows);
  ASSERT_EQ(c.bytes, right.bytes);
  ASSERT_EQ(left.bytes, 4 * right.rows);
  for (int row = 0; row < c.rows; ++row) {
    for (int column = 0; column < c.bytes / 4; ++column) {
      float sum = 0.0F;
      std::memcpy(&sum, c.data[row] + 4 * column, 4);
      for (int i = 0; i < left.bytes / 2; ++i) {
        uint16_t x = 0, y = 0;
        std::memcpy(&x, left.data[row] + 2 * i, 2);
        std::memcpy(&y, right.data[i / 2] + 4 * column + i % 2 * 2, 2);
        sum += from_bf16(x) * from_bf16(y);
      }
      std::memcpy(c.data[row] + 4 * column, &sum, 4);
    }
  }
}

}  // namespace sd::kernels::emulated

#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(memory) sd::kernels::emulated::configure(memory)
#define _tile_release() (sd::kernels::emulated::configured = false)
#define _tile_loadd(tile, memory, stride) sd::kernels::emulated::load(tile, memory, stride)
#define _tile_stored(tile, memory, stride) sd::kernels::emulated::store(tile, memory, stride)
#define _tile_dpbf16ps(sums, a, b) sd::kernels::emulated::multiply(sums, a, b)
#define gemm_amx_pairs emulated_amx_pairs
#define load_shape emulated_load_shape
#define load_sums emulated_load_sums
#define store_sums emulated_store_sums
namespace sd::kernels {
GemmMicro emulated_amx_pairs();
}
#include "../src/kernels/gemm_amx.cpp"

namespace sd::kernels {
namespace {

/// [rows][32] of a call over `taps` places of a with `depth` pairs each, for sums that begin at 1.
std::vector<float> products(const GemmMicro& micro, int rows, int64_t taps, int64_t depth,
                            bool accumulate) {
  constexpr int64_t kStride = 300, kTap = 62;  // elements
  const auto a = to_bf16(random_values(static_cast<std::size_t>(40 * kStride), 1));
  // One panel of 32 columns, or four of 8 for the plain micro-kernel.
  const auto columns = to_bf16(random_values(static_cast<std::size_t>(taps * depth * 64), 2));
  std::vector<float> sums(static_cast<std::size_t>(rows * 32), 1.0F);
  std::vector<int64_t> offsets;
  for (int64_t tap = 0; tap < taps; ++tap) offsets.push_back(tap * kTap * 2);
  for (int first = 0; first < 32; first += micro.columns) {
    std::vector<uint16_t> panel;
    for (int64_t step = 0; step < taps * depth; ++step) {
      const auto from = columns.begin() + step * 64 + first * 2;
      panel.insert(panel.end(), from, from + micro.columns * 2);
    }
    for (int row = 0; row < rows; row += micro.rows) {
      const int count = std::min(micro.rows, rows - row);
      micro.multiply[static_cast<std::size_t>(count)](
          {a.data() + row * kStride, kStride * 2, offsets.data(), taps, depth, panel.data(),
           sums.data() + row * 32 + first, 32, accumulate});
    }
  }
  return sums;
}

TEST(AmxTiles, MultiplyAsThePlainMicroKernelDoes) {
  const GemmMicro amx = emulated_amx_pairs();
  const GemmMicro& plain = gemm_micro(Isa::kPlain, Operands::kBf16Pairs);
  ASSERT_EQ(amx.columns, 32);
  for (const int rows : {1, 15, 16, 17, 31, 32}) {
    for (const int64_t depth : {1, 15, 16, 17, 20, 33, 40, 64}) {
      for (const int64_t taps : {1, 3}) {
        for (const bool accumulate : {false, true}) {
          SCOPED_TRACE(testing::Message() << rows << " rows, depth " << depth << ", taps " << taps);
          const auto found = products(amx, rows, taps, depth, accumulate);
          const auto expected = products(plain, rows, taps, depth, accumulate);
          for (std::size_t i = 0; i < found.size(); ++i) {
            ASSERT_NEAR(found[i], expected[i], 1e-4) << "at " << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sd::kernels
#endif
