#include "tools/test_data/packed_fixture.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "sd/core/error.h"
#include "tools/test_data/safetensors_file.h"

namespace sd::test {

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("{} cannot be read", path.string()));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string unpack_fixture(const std::filesystem::path& path) {
  const auto packed = read_whole(path);
  uint64_t size = 0;
  constexpr std::size_t kHeader = 1 + sizeof size;
  if (packed.size() < kHeader) throw Error(fmt::format("{} is no packed file", path.string()));
  const auto stride = static_cast<std::size_t>(static_cast<unsigned char>(packed[0]));
  std::memcpy(&size, packed.data() + 1, sizeof size);
  std::string planes(size, '\0');
  uLongf found = size;
  const int status = uncompress(reinterpret_cast<Bytef*>(planes.data()), &found,
                                reinterpret_cast<const Bytef*>(packed.data() + kHeader),
                                static_cast<uLong>(packed.size() - kHeader));
  if (status != Z_OK || found != size || stride == 0) {
    throw Error(fmt::format("{} cannot be unpacked", path.string()));
  }
  std::string bytes(size, '\0');
  std::size_t next = 0;
  for (std::size_t first = 0; first < stride; ++first) {
    for (std::size_t i = first; i < size; i += stride) bytes[i] = planes[next++];
  }
  return bytes;
}

std::string join_fixture(const std::filesystem::path& folder) {
  SafetensorsFile whole;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto part = unpack_fixture(entry.path());
    uint64_t header_size = 0;
    std::memcpy(&header_size, part.data(), sizeof header_size);
    const auto start = sizeof header_size + header_size;
    const auto header = nlohmann::json::parse(part.substr(sizeof header_size, header_size));
    for (const auto& [name, tensor] : header.items()) {
      const auto first = tensor.at("data_offsets").at(0).get<std::size_t>();
      const auto last = tensor.at("data_offsets").at(1).get<std::size_t>();
      whole.add(name,
                {tensor.at("dtype"), tensor.at("shape"), part.substr(start + first, last - first)});
    }
  }
  return whole.bytes();
}

}  // namespace sd::test
