#pragma once

#include <string>
#include <string_view>

#include "support/byte_writer.h"

namespace sd::test {

/// A .safetensors file of a header as given, true or not, and the tensors' bytes.
inline std::string write_safetensors(std::string_view header, std::string_view tensors) {
  return ByteWriter().u64(header.size()).text(header).text(tensors).bytes();
}

}  // namespace sd::test
