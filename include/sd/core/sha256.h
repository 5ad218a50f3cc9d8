#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace sd {

/// SHA-256 (FIPS 180-4), fed piece by piece.
class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  /// The digest of everything given so far; call once, at the end.
  std::array<std::byte, 32> finish();

 private:
  static constexpr std::size_t kBlock = 64;

  void compress(std::span<const std::byte, kBlock> block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlock> pending_{};
  std::size_t pending_size_ = 0;
  uint64_t total_ = 0;
};

/// 64 lower-case hex digits.
std::string sha256_hex(std::span<const std::byte> bytes);

/// The same of a file's bytes, read in pieces. Throws IoError if `path` is not a readable regular
/// file.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace sd
