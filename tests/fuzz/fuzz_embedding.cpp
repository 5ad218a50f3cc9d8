// A textual inversion embedding: tensors of any container, or a PNG with one in its text chunk or
// in its pixels. What is read has as many finite values as it says.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "sd/core/error.h"
#include "sd/image/embedding_picture.h"
#include "sd/weights/embedding_file.h"

namespace {

void check(const sd::EmbeddingFile& embedding) {
  if (embedding.values.size() != static_cast<std::size_t>(embedding.vectors * embedding.width))
    std::abort();
  for (const float value : embedding.values) {
    if (!std::isfinite(value)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const auto file = std::as_bytes(std::span(bytes, size));
  try {
    check(sd::parse_embedding_weights(file, "fuzz.pt"));
  } catch (const sd::Error&) {
  }
  try {
    if (const auto embedding = sd::embedding_of_picture(file, "fuzz.png")) check(*embedding);
  } catch (const sd::Error&) {
  }
  return 0;
}
