#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace sd {

/// A dense float32 array as NumPy's .npy files hold it (C order, little endian).
struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// Reads a float32 C-order array. Throws IoError if the file is not .npy, has another dtype,
/// Fortran order, a header that lies about its size, or more than 2^31 values.
NpyArray read_npy(const std::filesystem::path& path);
NpyArray parse_npy(std::span<const std::byte> bytes);

/// The bytes of a version 1.0 .npy file with `values` of `shape` (C order).
std::vector<std::byte> encode_npy(std::span<const int64_t> shape, std::span<const float> values);

}  // namespace sd
