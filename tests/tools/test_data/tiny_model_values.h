#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sd::test {

/// One tensor of the tiny model: a row of tests/data/tiny-v1/tensors.tsv and the values made for
/// it.
struct TinyTensor {
  std::string name;  // in tiny-v1.ckpt
  std::string dtype;
  std::vector<int64_t> shape;
  std::string hash;  // the first 16 hex digits of its bytes' SHA-256
  // In the diffusers folder; empty for what diffusers does not have.
  std::string part, diffusers_name;
  std::vector<int64_t> diffusers_shape;
  std::string bytes;
};

/// The list with the values of every tensor. Throws Error where they are not those that the list's
/// hashes were taken of.
std::vector<TinyTensor> make_tiny_tensors(const std::filesystem::path& list);

}  // namespace sd::test
