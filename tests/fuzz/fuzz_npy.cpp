#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "sd/core/error.h"
#include "sd/core/npy.h"

/// Any bytes either are an array that survives being written and read again, or an IoError.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  sd::NpyArray array;
  try {
    array = sd::parse_npy(std::as_bytes(std::span(data, size)));
  } catch (const sd::IoError&) {
    return 0;
  }
  const auto again = sd::parse_npy(sd::encode_npy(array.shape, array.values));
  if (again.shape != array.shape || again.values.size() != array.values.size()) std::abort();
  // Bytes, not numbers: a NaN is not equal to itself.
  const std::size_t bytes = array.values.size() * sizeof(float);
  if (bytes > 0 && std::memcmp(again.values.data(), array.values.data(), bytes) != 0) std::abort();
  return 0;
}
