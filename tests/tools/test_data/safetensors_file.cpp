#include "tools/test_data/safetensors_file.h"

#include <nlohmann/json.hpp>

#include "support/safetensors_writer.h"

namespace sd::test {

std::string SafetensorsFile::bytes(bool format) const {
  nlohmann::ordered_json header;
  if (format) header["__metadata__"]["format"] = "pt";
  std::string bytes;
  for (const auto& [name, tensor] : tensors_) {
    header[name] = {{"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"data_offsets", {bytes.size(), bytes.size() + tensor.bytes.size()}}};
    bytes += tensor.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return write_safetensors(text, bytes);
}

}  // namespace sd::test
