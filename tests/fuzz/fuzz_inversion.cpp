// A file that `sd invert` wrote, or any bytes. What is read has tensors of the sizes that it says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "sd/core/error.h"
#include "sd/weights/inversion_file.h"

namespace {

void check(const sd::InversionTensor& tensor) {
  std::size_t count = tensor.empty() ? 0 : 1;
  for (const auto side : tensor.shape) count *= static_cast<std::size_t>(side);
  if (count != tensor.values.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  try {
    const auto file = sd::parse_inversion(std::as_bytes(std::span(bytes, size)), "fuzz");
    for (const auto* tensor : {&file.path, &file.context, &file.unconditional, &file.noises})
      check(*tensor);
    if (file.alphas.size() != file.timesteps.size() + 1) std::abort();
  } catch (const sd::Error&) {
  }
  return 0;
}
